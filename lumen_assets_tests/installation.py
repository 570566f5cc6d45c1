"""A whole installation in a temporary folder, on little sample data, driven like an operator does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from lumen_assets.cli import main
from lumen_assets.settings import Settings, load_settings
from lumen_assets.telemetry import write_sample
from lumen_assets.workspace import Workspace

PUBLIC_TEST_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
"""The 32 bytes 0 to 31 in base64: a test vector, no secret."""

LAST_DAY = date(2026, 3, 9)
RATE_HZ = 0.1


@dataclass(frozen=True)
class Installation:
    """LUMEN_HOME, LUMEN_DATA_ROOT and a lumen.yaml below ``root``."""

    root: Path

    @classmethod
    def make(
        cls,
        root: Path,
        *,
        days: int = 2,
        last_day: date = LAST_DAY,
        rate_hz: float = RATE_HZ,
        configuration: str = "",
    ) -> Installation:
        """An installation with so many sample days up to ``last_day``; it does not catch up on others by itself."""
        installation = cls(root)
        root.mkdir(parents=True, exist_ok=True)
        write_sample(installation.data_root, last_day=last_day, days=days, rate_hz=rate_hz)
        if "catch_up:" not in configuration:
            configuration += "\ncatch_up: {enabled: false}\n"
        (root / "lumen.yaml").write_text(
            f"start_date: 2026-02-01\nsources: {{telemetry: {{rate_hz: {rate_hz}}}}}\n{configuration}", encoding="utf-8"
        )
        return installation

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def data_root(self) -> Path:
        return self.root / "data"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LUMEN_HOME": str(self.home),
            "LUMEN_DATA_ROOT": str(self.data_root),
            "LUMEN_CONFIG": str(self.root / "lumen.yaml"),
            "LUMEN_ARCHIVE_KEY": PUBLIC_TEST_KEY,
        }

    def lighten(self) -> None:
        """Leave a hundred rows of telemetry: for who runs a day for something else than its numbers."""
        path = self.data_root / "logs" / "metrics.csv"
        path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:100]), encoding="utf-8")

    def misconfigure(self, day: date) -> None:
        """Let ``sources.extra`` name a file that hinders one day only: it has the name of that day's own report."""
        name = f"controls/reports/report_{day}.md"
        (self.data_root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.data_root / name).write_text("# what somebody wrote by hand\n", encoding="utf-8")
        self._edit("sources: {", f"sources: {{extra: ['controls/*.jsonl', {name}], ")

    def configure_right(self, day: date) -> None:
        """Undo ``misconfigure``."""
        self._edit(f", controls/reports/report_{day}.md]", "]")

    def start_on(self, day: date) -> None:
        """Let days start on another one."""
        self._edit("start_date: 2026-02-01", f"start_date: {day}")

    def _edit(self, old: str, new: str) -> None:
        path = self.root / "lumen.yaml"
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")

    @property
    def settings(self) -> Settings:
        return load_settings(self.environment, self.root)

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.settings)

    def lumen(self, *arguments: str | Path, **environment: str) -> Result:
        """Run a command in this process."""
        runner = CliRunner()
        return runner.invoke(main, [str(item) for item in arguments], env={**self.environment, **environment})

    def json(self, *arguments: str | Path, exit_code: int = 0, **environment: str) -> dict[str, Any]:
        """Run a command with ``--json``; what it printed, which must be one JSON object."""
        result = self.lumen(*arguments, "--json", **environment)
        assert result.exit_code == exit_code, (result.exit_code, result.output, result.exception)
        value = json.loads(result.stdout)
        assert isinstance(value, dict)
        return value

    def archive_at(self, destination: str, day: date) -> Path:
        """The replica's archive file at a local destination."""
        return self.home / "copies" / destination / str(day) / f"lumen-{day}-r1.tar.zst.tink"
