"""``lumen verify`` and ``lumen repair`` where cron runs them and no daemon: they tell what they come to."""

from __future__ import annotations

import json
from pathlib import Path

from lumen_assets.days import yesterday
from lumen_assets_tests.alerting.receiver import server
from lumen_assets_tests.installation import Installation

DAY = yesterday()


def test_a_bad_replica_is_told_at_once_and_no_more_when_it_is_good_again(tmp_path: Path) -> None:
    installation = Installation.make(
        tmp_path / "cron", days=1, last_day=DAY, configuration="alerts: {daily_summary: false}\n"
    )
    path = installation.root / "lumen.yaml"
    path.write_text(path.read_text().replace("2026-02-01", str(DAY)))
    with server() as receiver:
        channel = {"LUMEN_ALERT_URL": receiver.url}

        def told() -> set[tuple[str, str]]:
            """Kind and state of what the newest messages are about."""
            payloads = [json.loads(request.body)["payload"] for request in receiver.received]
            receiver.received.clear()
            return {(event["kind"], payload["state"]) for payload in payloads for event in payload["events"]}

        assert installation.json("daily", "--day", str(DAY), **channel)["ok"]
        told()
        assert installation.json("verify", str(DAY), **channel)["alerts"] == {"webhook": "0 sent"}
        installation.archive_at("there", DAY).write_bytes(b"damaged")
        found = installation.json("verify", str(DAY), exit_code=1, **channel)
        assert ("replica_not_good", "firing") in told()
        assert "sent" in found["alerts"]["webhook"]
        assert "alerts webhook: 0 sent" in installation.lumen("verify", str(DAY), **channel).output
        told()
        repaired = installation.json("repair", str(DAY), **channel)
        assert "webhook" in repaired["alerts"]
        assert installation.json("alerts", **channel)["incidents"] == []


def test_a_receiver_that_is_away_changes_nothing_of_what_was_found(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path / "cron", days=1, last_day=DAY)
    installation.json("daily", "--day", str(DAY))
    installation.archive_at("there", DAY).unlink()
    found = installation.json("verify", str(DAY), exit_code=1, LUMEN_ALERT_URL="http://127.0.0.1:9")
    assert [item["verdict"] for item in found["verdicts"]] == ["MATCH", "MISSING"]
    assert "tries failed" in found["alerts"]["webhook"]
