"""The pictures of an installation's days from Grafana: taken once, and used again from then on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date
from pathlib import Path

from lumen_assets import grafana
from lumen_assets.archive import FrozenDay, Keyring
from lumen_assets.errors import LumenError
from lumen_assets.grafana import Taken
from lumen_assets.report.files import FIGURES, figures_named
from lumen_assets.report.model import Grafana, Picture
from lumen_assets.settings import Settings

_log = logging.getLogger(__name__)


class DayPictures:
    """What each day has of pictures.

    Args:
        settings: where Grafana is, and where the reports go.
        newest: the newest revision of a day; None if it is not frozen.
        keyring: opens it.
    """

    def __init__(
        self, settings: Settings, newest: Callable[[date], FrozenDay | None], keyring: Callable[[], Keyring]
    ) -> None:
        self._settings = settings
        self._newest = newest
        self._keyring = keyring

    @property
    def folder(self) -> Path:
        """Where they lie, with the report's figures."""
        return self._settings.reports_folder / FIGURES

    def take(self, day: date) -> Taken:
        """The pictures that the day was frozen with; else those taken before, and from Grafana what is missing.

        What cannot be had is in ``problems``, and holds up nothing.
        """
        found = self._frozen(day)
        if not found.grafana.pictures:
            found = self._from_grafana(day)
        used = {picture.file for picture in found.grafana.pictures}
        for stale in figures_named(self.folder, f"grafana_{day.isoformat()}"):
            if stale.suffix == ".png" and stale.name not in used:
                stale.unlink(missing_ok=True)
        grafana.write_record(self._record(day), found.grafana)
        return found

    def at_hand(self, day: date) -> Grafana:
        """What was taken last, until the day is frozen; else the same as ``take``."""
        found = grafana.read_record(self._record(day))
        if found is not None and len(self._there(found)) == len(found.pictures):
            return found
        return self.take(day).grafana

    def _frozen(self, day: date) -> Taken:
        try:
            frozen = self._newest(day)
            kept = grafana.kept_pictures(frozen, self._keyring(), self.folder) if frozen else Grafana()
        except LumenError as error:  # whoever needs the archive itself says it again
            _log.warning("pictures of %s: %s", day, error)
            kept = Grafana()
        return Taken(kept, {}, 0)

    def _from_grafana(self, day: date) -> Taken:
        server = self._settings.grafana
        if server is None:
            return Taken(Grafana(), {}, 0)
        have = self._there(grafana.read_record(self._record(day)) or Grafana())
        return grafana.take_pictures(server, day, self._settings.configuration.report.grafana, self.folder, have=have)

    def _there(self, found: Grafana) -> list[Picture]:
        return [picture for picture in found.pictures if grafana.picture_path(self.folder, picture)]

    def _record(self, day: date) -> Path:
        return self._settings.slices_folder / f"{day.isoformat()}.grafana.json"
