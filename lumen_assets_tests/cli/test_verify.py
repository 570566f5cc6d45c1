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


def test_what_is_open_names_the_command_that_restores_as_long_as_there_is_one(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path / "cron", days=1, last_day=DAY)
    path = installation.root / "lumen.yaml"
    path.write_text(path.read_text().replace("2026-02-01", str(DAY)))
    installation.json("daily", "--day", str(DAY))
    assert installation.lumen("alerts").exit_code == 0
    installation.archive_at("there", DAY).write_bytes(b"damaged")
    installation.json("verify", str(DAY), exit_code=1)
    command = f"lumen restore {DAY} --revision 1 --from here --to restored-{DAY}-r1"
    assert restoring(installation) == {"replica_not_good: there": {str(DAY): command}}
    assert f"    to restore {DAY}: {command}\n" in installation.lumen("alerts").stdout
    installation.archive_at("here", DAY).write_bytes(b"damaged")
    installation.json("verify", str(DAY), "--destination", "here", exit_code=1)
    none = {str(DAY): None}
    assert restoring(installation) == {"replica_not_good: there": none, "replica_not_good: here": none}
    assert f"    to restore {DAY}: no good revision of it is known\n" in installation.lumen("alerts").stdout


def restoring(installation: Installation) -> dict[str, dict[str, str | None]]:
    """What `lumen alerts` says of how to restore, by incident."""
    shown = installation.json("alerts", exit_code=1)["incidents"]
    return {f"{one['kind']}: {one['source']}": one["restore"] for one in shown if one["restore"]}
