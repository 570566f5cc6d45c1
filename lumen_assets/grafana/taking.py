"""The pictures of a day, each tried a few times: what is missing afterwards is said, and holds up nobody."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from lumen_assets.durable import replace_bytes
from lumen_assets.errors import LumenError, TransientError
from lumen_assets.grafana.rendering import render, size_of
from lumen_assets.replication.retrying import Backoff
from lumen_assets.report.model import Grafana, Picture
from lumen_assets.settings import GrafanaPictures, GrafanaServer

BACKOFF: Final = Backoff(attempts=3, base=2.0, cap=30.0)

_OF_ALL: Final = ("network", "credentials")
"""Error classes that the next panel would meet too, most likely: it is asked for in the next round, and first there."""


@dataclass(frozen=True)
class Taken:
    """The pictures of a day.

    Attributes:
        grafana: what the report says of them.
        problems: why there is none, by panel.
        asked: how many pictures were asked for now; 0 where all were there.
    """

    grafana: Grafana
    problems: Mapping[str, LumenError]
    asked: int


def picture_name(day: date, panel: str, *, first: bool) -> str:
    """``grafana_YYYY-MM-DD.png``; of the second panel and further ones ``grafana_YYYY-MM-DD-ID.png``."""
    return f"grafana_{day.isoformat()}{'' if first else f'-{panel}'}.png"


def picture_path(folder: Path, picture: Picture) -> Path | None:
    """Where a picture lies in a folder; None if what lies there is not that picture."""
    path = folder / picture.file
    try:
        return path if hashlib.sha256(path.read_bytes()).hexdigest() == picture.sha256 else None
    except FileNotFoundError:
        return None


def take_pictures(
    server: GrafanaServer,
    day: date,
    looks: GrafanaPictures,
    folder: Path,
    *,
    have: Collection[Picture] = (),
    backoff: Backoff = BACKOFF,
    sleep: Callable[[float], None] = time.sleep,
) -> Taken:
    """Take every picture of a day that is not there yet into ``folder``.

    Transient errors are tried again, after the wait that Grafana asked for where it is short; permanent ones are not.

    Args:
        day: the KST day.
        folder: of the report's figures.
        have: those that were taken before and lie there.
        backoff: how often and how long.
        sleep: seconds to pass.
    """
    panels = server.panels or ("",)
    names = {panel: picture_name(day, panel, first=panel == panels[0]) for panel in panels}
    taken = {picture.panel: picture for picture in have if names.get(picture.panel) == picture.file}
    waiting = [panel for panel in panels if panel not in taken]
    asked, problems = len(waiting), dict[str, LumenError]()
    for attempt in range(1, backoff.attempts + 1):
        turn = deque(waiting)
        while turn:
            panel = turn.popleft()
            try:
                png = render(server, panel, day, looks, datetime.now(UTC))
            except LumenError as error:
                problems[panel] = error
                if error.error_class in _OF_ALL:
                    problems |= dict.fromkeys(turn, error)
                    break
            else:
                problems.pop(panel, None)
                replace_bytes(folder / names[panel], png)
                width, height = size_of(png)
                digest = hashlib.sha256(png).hexdigest()
                taken[panel] = Picture(names[panel], panel, digest, width, height)
        order = [*turn, *(panel for panel in waiting if panel not in turn)]
        errors = {panel: found for panel in order if isinstance(found := problems.get(panel), TransientError)}
        waiting, longest = list(errors), max((error.retry_after or 0.0 for error in errors.values()), default=0.0)
        if not waiting or attempt == backoff.attempts or longest > backoff.cap:
            break
        sleep(backoff.wait(attempt, longest))
    pictures = tuple(taken[panel] for panel in panels if panel in taken)
    return Taken(Grafana(len(panels), pictures), problems, asked)
