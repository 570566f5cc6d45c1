"""Whatever is read, at whatever layer, it ends well or in one of our errors, bounded, and writes nothing outside."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumen_assets.archive import extract_stream
from lumen_assets_tests.archive.conftest import BOUND_TO
from lumen_assets_tests.archive.fuzzing import CORPUS, FILES, GOOD, KEY, LAYERS, one_input, read, seeds
from lumen_assets_tests.archive.hostile import archive_of

SECONDS = 600
IN_MEMORY = next(folder for folder in (Path("/dev/shm"), Path("/tmp")) if folder.is_dir())  # noqa: S108 - below it
KNOWN = [*seeds(), *(path.read_bytes() for path in sorted(CORPUS.iterdir()))]

Mutation = Callable[[bytes], bytes]


def mutation(position: float, length: int, new: bytes) -> Mutation:
    def mutate(data: bytes) -> bytes:
        start = int(position * len(data))
        return data[:start] + new + data[start + length :]

    return mutate


mutations = st.builds(
    mutation,
    st.floats(0, 1),
    st.sampled_from([0, 1, 2, 4, 12, 100, 512]),
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from([b"\0" * 512, b"7" * 11, b"\xff" * 8, b"../", b"/", b"[", b"-1", b'"', b"1e9", b"null", b"{}"]),
    ),
)


@pytest.mark.parametrize("layer", range(len(LAYERS)), ids=[layer.__name__ for layer in LAYERS])
@settings(max_examples=40)
@given(data=st.data())
def test_changed_inputs(layer: int, data: st.DataObject) -> None:
    good = data.draw(st.sampled_from([known for known in KNOWN if known and known[0] % len(LAYERS) == layer]))
    changed = good[1:]
    for mutate in data.draw(st.lists(mutations, min_size=1, max_size=3)):
        changed = mutate(changed)
    one_input(bytes([layer]) + changed)


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_anything(data: bytes) -> None:
    one_input(data)


def test_every_input_that_is_known() -> None:
    assert len(KNOWN) > 100
    for known in KNOWN:
        one_input(known)


def test_an_honest_archive_passes_through_the_same_reading(tmp_path: Path) -> None:
    data = archive_of(GOOD, KEY)
    read(data)
    with (tmp_path / "a").open("w+b") as file:
        file.write(data)
        file.seek(0)
        extract_stream(file, tmp_path / "out", key=KEY, associated_data=BOUND_TO)
    assert {path: (tmp_path / "out" / "data" / path).read_bytes() for path in FILES} == FILES


@pytest.mark.soak
@pytest.mark.timeout(6 * SECONDS)
@pytest.mark.skipif(not importlib.util.find_spec("atheris"), reason="Atheris has no wheel for this Python or machine")
def test_the_fuzzer_finds_nothing(tmp_path: Path) -> None:
    """Ten minutes of processor time, from the corpus that is kept; what it finds new is in ``tmp_path``."""
    for number, seed in enumerate(seeds()):
        (tmp_path / f"seed{number}").write_bytes(seed)
    used, runs = 0.0, 0
    while used < SECONDS:
        before = os.times()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "lumen_assets_tests.archive.fuzz", tmp_path, CORPUS),
                *("-max_total_time=60", "-timeout=30", "-rss_limit_mb=2048", f"-artifact_prefix={tmp_path}/found-"),
            ],
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(IN_MEMORY)},
            check=False,
        )
        assert done.returncode == 0, done.stderr[-5000:]
        runs += int(re.findall(r"Done (\d+) runs", done.stderr)[-1])
        after = os.times()
        used += after.children_user + after.children_system - before.children_user - before.children_system
    print(f"{used:.0f} s of processor time, {runs} runs, {len(list(tmp_path.iterdir()))} inputs")
