"""Pictures that a day has already: those that it was frozen with, and those that wait to be.

Grafana never draws the same bytes twice. So a picture is taken once: see docs/decisions/0010.
"""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from lumen_assets.archive import FileRange, FrozenDay, Keyring, associated_data, extract_paths
from lumen_assets.archive.snapshot import REPORTS
from lumen_assets.durable import replace_bytes
from lumen_assets.report.files import FIGURES, report_path
from lumen_assets.report.model import Grafana


def kept_pictures(frozen: FrozenDay, keyring: Keyring, folder: Path) -> Grafana:
    """What a revision says of its pictures, which are put back into ``folder``.

    Raises:
        LumenError: if the archive cannot be read.
    """
    day, revision = frozen.manifest.day, frozen.manifest.revision
    folder.mkdir(parents=True, exist_ok=True)

    def extract(source: FileRange, paths: list[str], to: Path) -> None:
        bound_to = associated_data(day, revision)
        extract_paths(source, paths, to, key=keyring, associated_data=bound_to, name=str(frozen.archive_path))

    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=folder) as temporary, frozen.archive_path.open("rb") as file:
        source, model, pictures = FileRange(file), Path(temporary) / "model", Path(temporary) / "pictures"
        path = report_path(Path(REPORTS), day, ".json")
        extract(source, [str(path)], model)
        grafana = _grafana(json.loads((model / path).read_bytes()).get("grafana", {}))
        paths = [f"{REPORTS}/{FIGURES}/{picture.file}" for picture in grafana.pictures]
        if paths:
            extract(source, paths, pictures)
        for one in paths:
            replace_bytes(folder / Path(one).name, (pictures / one).read_bytes())
    return grafana


def write_record(path: Path, grafana: Grafana) -> None:
    """Keep what is known of a day's pictures until it is frozen."""
    replace_bytes(path, _adapter().dump_json(grafana))


def read_record(path: Path) -> Grafana | None:
    """What ``write_record`` left; None if there is nothing, or what is there is of another version."""
    try:
        return _grafana(json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError):
        return None


def _grafana(content: Any) -> Grafana:
    found: Grafana = _adapter().validate_python(content)
    return found


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Grafana)
