"""The pictures of a day: tried within bounds, those that came are kept."""

from __future__ import annotations

import hashlib
from datetime import date

import pytest

from lumen_assets.grafana import read_record, take_pictures, write_record
from lumen_assets.replication.retrying import Backoff
from lumen_assets.report.model import Grafana, Picture
from lumen_assets.settings import GrafanaPictures
from lumen_assets_tests.alerting.receiver import Say
from lumen_assets_tests.grafana.stub import grafana, hung_up, in_turn, picture, png

DAY = date(2026, 3, 9)
LOOKS = GrafanaPictures(timeout_seconds=5)
BOUNDS = Backoff(3, base=0.1, cap=10)


def of(file: str, panel: str, content: bytes) -> Picture:
    return Picture(file, panel, hashlib.sha256(content).hexdigest(), 1000, 500)


def take(server, folder, *panels, have=()):
    waits: list[float] = []
    found = take_pictures(grafana(server, *panels), DAY, LOOKS, folder, have=have, backoff=BOUNDS, sleep=waits.append)
    return found, waits


def test_a_file_a_panel_the_first_with_the_plain_name(receiver, tmp_path) -> None:
    receiver.say = in_turn(picture(png("red")), picture(png("blue")))
    found, waits = take(receiver, tmp_path, "2", "panel-7")
    assert found.grafana == Grafana(
        2,
        (of("grafana_2026-03-09.png", "2", png("red")), of("grafana_2026-03-09-panel-7.png", "panel-7", png("blue"))),
    )
    assert (found.grafana.missing, found.problems, found.asked, waits) == (0, {}, 2, [])
    assert (tmp_path / "grafana_2026-03-09-panel-7.png").read_bytes() == png("blue")


def test_without_panels_there_is_one_picture(receiver, tmp_path) -> None:
    receiver.say = picture(png())
    assert take(receiver, tmp_path)[0].grafana == Grafana(1, (of("grafana_2026-03-09.png", "", png()),))


def test_what_passes_is_tried_again_and_only_that(receiver, tmp_path) -> None:
    receiver.say = in_turn(picture(png("red")), Say(503), picture(png()[:100]), picture(png("blue")))
    found, waits = take(receiver, tmp_path, "1", "2")
    assert (len(found.grafana.pictures), found.problems) == (2, {})
    assert [request.target.rpartition("=")[2] for request in receiver.received] == ["1", "2", "2", "2"]
    assert len(waits) == 2


def test_tries_are_bounded_and_what_came_stays(receiver, tmp_path) -> None:
    receiver.say = in_turn(picture(png("red")), Say(503))
    found, waits = take(receiver, tmp_path, "1", "2")
    assert ([one.panel for one in found.grafana.pictures], found.grafana.missing, len(waits)) == (["1"], 1, 2)
    assert "503" in str(found.problems["2"])
    assert len(receiver.received) == 4


@pytest.mark.parametrize(("say", "asked"), [(Say(401), 1), (picture(b"<html>", "text/html"), 2), (Say(404), 2)])
def test_what_does_not_pass_is_not_tried_again(receiver, tmp_path, say, asked) -> None:
    receiver.say = say
    found, waits = take(receiver, tmp_path, "1", "2")
    assert (found.grafana, sorted(found.problems), waits) == (Grafana(2, ()), ["1", "2"], [])
    assert len(receiver.received) == asked, "where the token is wrong, nothing else is asked for"


def test_a_panel_that_is_not_answered_keeps_no_other_from_being_had(receiver, tmp_path) -> None:
    receiver.say = lambda request: Say(play=hung_up) if request.target.endswith("=1") else picture(png())
    found, waits = take(receiver, tmp_path, "1", "2", "3")
    assert ([one.panel for one in found.grafana.pictures], sorted(found.problems), len(waits)) == (["2", "3"], ["1"], 2)
    asked = [request.target.rpartition("=")[2] for request in receiver.received]
    assert asked == ["1", "2", "3", "1", "1"], "who was not asked in one round is asked first in the next"


def test_the_wait_that_is_asked_for_is_kept_or_it_ends(receiver, tmp_path) -> None:
    receiver.say = in_turn(Say(429, {"Retry-After": "3"}), Say(429, {"Retry-After": "3600"}))
    found, waits = take(receiver, tmp_path, "1")
    assert (len(waits), waits[0] >= 3, sorted(found.problems)) == (1, True, ["1"])


def test_those_that_are_there_are_not_asked_for(receiver, tmp_path) -> None:
    receiver.say = picture(png("blue"))
    have = of("grafana_2026-03-09.png", "1", png("red"))
    found, _ = take(receiver, tmp_path, "1", "2", have=[have])
    assert found.grafana.pictures[0] == have
    assert (found.asked, len(receiver.received)) == (1, 1)


def test_another_first_panel_is_another_picture(receiver, tmp_path) -> None:
    receiver.say = picture(png("blue"))
    have = of("grafana_2026-03-09.png", "1", png("red"))
    found, _ = take(receiver, tmp_path, "9", "1", have=[have])
    assert [(one.panel, one.file) for one in found.grafana.pictures] == [
        ("9", "grafana_2026-03-09.png"),
        ("1", "grafana_2026-03-09-1.png"),
    ]


def test_a_record_is_read_back_and_one_that_is_none_is_not(tmp_path) -> None:
    path = tmp_path / "record.json"
    assert read_record(path) is None
    known = Grafana(2, (of("grafana_2026-03-09.png", "1", png()),))
    write_record(path, known)
    assert read_record(path) == known
    for wrong in ("", "[]", '{"asked": "many"}', '{"pictures": [{}]}'):
        path.write_text(wrong)
        assert read_record(path) is None
