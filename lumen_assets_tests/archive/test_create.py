from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tarfile
from pathlib import Path

import bagit
import pytest

from lumen_assets.archive import Key, create_archive, digest_file, extract_stream, members_of
from lumen_assets.archive.payload import content_digest_of
from lumen_assets.archive.stream import DecryptingReader
from lumen_assets.errors import LumenError, PermanentError, TransientError
from lumen_assets_tests.archive.conftest import BOUND_TO, MTIME, Made, make, verify


def compressed(path: Path, key: Key) -> bytes:
    with path.open("rb") as file:
        return DecryptingReader(file, key, BOUND_TO).read(1 << 40)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def extract(path: Path, to: Path, key: Key) -> None:
    with path.open("rb") as file:
        extract_stream(file, to, key=key, associated_data=BOUND_TO)


def test_what_was_made_is_what_it_says(made: Made, folder: Path, key: Key) -> None:
    created = made.created
    files = files_in(folder)
    assert digest_file(made.path) == created.digests
    assert (created.files, created.bytes) == (len(files), sum(map(len, files.values())))
    assert created.sha256 == {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    contents = verify(made.path, key)
    assert contents.content_digest == created.content_digest == content_digest_of(members_of(folder))
    assert contents.sha256 == created.sha256
    assert contents.bag_info["Payload-Oxum"] == f"{created.bytes}.{created.files}"
    assert contents.key_id == key.id


def test_extraction_gives_the_files_back(made: Made, folder: Path, tmp_path: Path, key: Key) -> None:
    extract(made.path, tmp_path / "out", key)
    assert files_in(tmp_path / "out" / "data") == files_in(folder)
    for path in (tmp_path / "out").rglob("*"):
        assert path.stat().st_mtime == MTIME
        mode = 0o755 if path.is_dir() or path.name == "run.sh" else 0o644
        assert path.stat().st_mode & 0o7777 == mode
    assert not list(tmp_path.glob(".tmp-*"))


def test_bagit_and_sha256sum_accept_what_was_extracted(made: Made, tmp_path: Path, key: Key) -> None:
    out = tmp_path / "out"
    extract(made.path, out, key)
    bagit.Bag(str(out)).validate()
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        subprocess.run(["sha256sum", "--strict", "--quiet", "-c", manifest], cwd=out, check=True)


def test_zstd_and_tar_list_and_unpack_it(made: Made, folder: Path, tmp_path: Path, key: Key) -> None:
    packed = tmp_path / "stream.tar.zst"
    packed.write_bytes(compressed(made.path, key))
    tar = tmp_path / "stream.tar"
    subprocess.run(["zstd", "-q", "-d", packed, "-o", tar], check=True)
    listed = subprocess.run(
        ["tar", "--quoting-style=literal", "-tf", tar], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert listed.stderr == b""
    names = listed.stdout.decode().splitlines()
    plain = [name.rstrip("/") for name in names]
    assert plain == sorted(plain, key=str.encode)
    assert names[:3] == [f"lumen-2026-11-21-r1/{name}" for name in ("", "bag-info.txt", "bagit.txt")]
    subprocess.run(["tar", "-xf", tar, "-C", tmp_path], check=True)
    assert files_in(tmp_path / "lumen-2026-11-21-r1" / "data") == files_in(folder)
    with tarfile.open(tar) as opened:
        assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in opened} == {(0, 0, "", "", MTIME)}


def test_the_same_input_gives_the_same_bytes_whatever_the_threads_and_the_order(folder: Path, tmp_path: Path) -> None:
    (folder / "large").write_bytes(os.urandom(1 << 20) * 7)
    key = Key(bytes(32))
    members = members_of(folder)
    streams = []
    for number, threads in enumerate((1, 3, 0)):
        path = tmp_path / f"{number}.tink"
        order = dict(sorted(members.items(), reverse=bool(number)))
        for file in members.values():
            os.utime(file, (number, number))
        make(order, path, key, threads=threads)
        streams.append(compressed(path, key))
    assert streams[0] == streams[1] == streams[2]


def test_the_tar_stream_is_the_one_that_was_always_made(tmp_path: Path, key: Key) -> None:
    file = tmp_path / "파일"
    file.write_bytes(b"content")
    make({"파일": file, f"{'x' * 120}/y": file}, tmp_path / "a", key)
    packed = tmp_path / "a.zst"
    packed.write_bytes(compressed(tmp_path / "a", key))
    tar = subprocess.run(["zstd", "-dc", packed], capture_output=True, check=True).stdout
    assert hashlib.sha256(tar).hexdigest() == "44d0ac067fb903b99b1c68aecafc4ac534c9a0451e0fe9904802609f423b44a5"


def test_own_times_are_kept_where_none_is_given(folder: Path, tmp_path: Path, key: Key) -> None:
    times = {"empty": 0, "run.sh": -5, "logs/metrics.csv": 9_000_000_000, "100%.txt": 1_700_000_000}
    for name, mtime in times.items():
        os.utime(folder / name, (mtime, mtime))
    make(members_of(folder), tmp_path / "a", key, mtime=None)
    extract(tmp_path / "a", tmp_path / "out", key)
    assert {name: (tmp_path / "out" / "data" / name).stat().st_mtime for name in times} == times
    assert (tmp_path / "out" / "data" / "logs").stat().st_mtime == 9_000_000_000


@pytest.mark.parametrize("size", [0, 1, (2 << 20) - 1, 2 << 20, (4 << 20) - 512, 5 << 20])
def test_sizes_around_frame_edges(size: int, tmp_path: Path, key: Key) -> None:
    (tmp_path / "f").write_bytes(os.urandom(1000) * (size // 1000) + bytes(size % 1000))
    made = make({"f": tmp_path / "f"}, tmp_path / "a", key)
    assert verify(tmp_path / "a", key).sha256 == made.sha256


def test_an_archive_of_nothing(tmp_path: Path, key: Key) -> None:
    made = make({}, tmp_path / "a", key)
    assert (made.files, made.bytes) == (0, 0)
    extract(tmp_path / "a", tmp_path / "out", key)
    assert (tmp_path / "out" / "data").is_dir()
    assert verify(tmp_path / "a", key).files == 0


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "50%0D", "50%25", "%", "a%0ab", "tab\there", "back\\slash", " x "])
def test_odd_names_come_back(name: str, tmp_path: Path, key: Key) -> None:
    (tmp_path / "f").write_bytes(b"x")
    make({name: tmp_path / "f"}, tmp_path / "a", key)
    extract(tmp_path / "a", tmp_path / "out", key)
    assert [path.name for path in (tmp_path / "out" / "data").iterdir()] == [name]


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/", ".", "..", "a\0b", "\udcff", "n" * 33_000]
)
def test_names_that_cannot_come_back_are_refused(name: str, tmp_path: Path, key: Key) -> None:
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(PermanentError) as caught:
        make({name: tmp_path / "f"}, tmp_path / "a", key)
    assert caught.value.error_class == "input"
    assert not (tmp_path / "a").exists()


def test_a_name_that_is_too_long_only_in_the_bag_is_refused(tmp_path: Path, key: Key) -> None:
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(PermanentError, match="more than 32000 bytes"):
        make({"n" * 31_990: tmp_path / "f"}, tmp_path / "a", key)
    make({"n" * 31_900: tmp_path / "f"}, tmp_path / "a", key)
    assert verify(tmp_path / "a", key).files == 1


@pytest.mark.parametrize(
    ("one", "other"), [("a", "A"), ("dir/x", "DIR/y"), ("é", "e\u0301"), ("ß", "SS"), ("a", "a/b"), ("K", "\u212a")]
)
def test_names_that_collide_somewhere_are_refused(one: str, other: str, tmp_path: Path, key: Key) -> None:
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(PermanentError, match=r"same as|both a file and a folder"):
        make({one: tmp_path / "f", other: tmp_path / "f"}, tmp_path / "a", key)


def test_links_devices_and_sockets_are_refused_by_name(folder: Path, tmp_path: Path, key: Key) -> None:
    (folder / "link").symlink_to("empty")
    (folder / "folder-link").symlink_to("logs")
    os.mkfifo(folder / "logs" / "pipe")
    named = "'folder-link' (a symbolic link), 'link' (a symbolic link), 'logs/pipe' (a device or socket)"
    with pytest.raises(PermanentError, match=re.escape(named)):
        members_of(folder)
    for path in ("link", "logs/pipe", "logs"):
        with pytest.raises(PermanentError, match="regular files only"):
            make({"x": folder / path}, tmp_path / "a", key)
    assert not (tmp_path / "a").exists()


def test_a_missing_member_is_named(tmp_path: Path, key: Key) -> None:
    with pytest.raises(PermanentError, match="nowhere: No such file"):
        make({"x": tmp_path / "nowhere"}, tmp_path / "a", key)


def test_an_archive_is_never_overwritten(made: Made, folder: Path, key: Key) -> None:
    before = made.path.read_bytes()
    with pytest.raises(PermanentError, match="never overwritten"):
        make(members_of(folder), made.path, key)
    assert made.path.read_bytes() == before


def test_a_name_taken_meanwhile_is_not_overwritten(folder: Path, tmp_path: Path, key: Key) -> None:
    output = tmp_path / "out" / "a"

    def interfere(_: int) -> None:
        output.write_bytes(b"theirs")

    with pytest.raises(PermanentError, match="never overwritten"):
        create(members_of(folder), output, key, interfere)
    assert output.read_bytes() == b"theirs"
    assert [path.name for path in output.parent.iterdir()] == ["a"]


def create(members: object, output: Path, key: Key, progress: object) -> None:
    create_archive(
        members,  # type: ignore[arg-type]
        output,
        key=key,
        associated_data=BOUND_TO,
        base_name="b",
        bag_info={},
        mtime=0,
        level=1,
        threads=2,
        progress=progress,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("change", ["grow", "shrink", "rewrite", "vanish"])
def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path, key: Key, change: str) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(bytes(4 << 20))
    second.write_bytes(bytes(100))
    done: list[int] = []

    def interfere(count: int) -> None:
        done.append(count)
        if len(done) > 1:
            return
        if change == "grow":
            with first.open("ab") as file:
                file.write(b"more")
        elif change == "shrink":
            os.truncate(first, 2 << 20)
        elif change == "rewrite":
            second.write_bytes(b"x" * 100)
            os.utime(second, (1, 1))
        else:
            second.unlink()

    with pytest.raises(LumenError) as caught:
        create({"a": first, "b": second}, tmp_path / "out" / "a", key, interfere)
    assert isinstance(caught.value, PermanentError if change == "vanish" else TransientError)
    assert not (tmp_path / "out").exists()


def test_an_interrupt_leaves_nothing(folder: Path, tmp_path: Path, key: Key) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        create(members_of(folder), tmp_path / "out" / "a", key, interrupt)
    assert not (tmp_path / "out").exists()


def test_progress_adds_up(folder: Path, tmp_path: Path, key: Key) -> None:
    (folder / "large").write_bytes(bytes(3 << 20))
    done: list[int] = []
    create(members_of(folder), tmp_path / "a", key, done.append)
    assert sum(done) == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
