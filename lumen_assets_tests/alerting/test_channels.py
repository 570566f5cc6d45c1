"""Which channels the settings open."""

from __future__ import annotations

from lumen_assets.alerting.channels import message_about, open_channels
from lumen_assets.alerting.messages import Message
from lumen_assets.settings import load_settings
from lumen_assets_tests.alerting.receiver import event

EVERYTHING = """
alerts:
  mail: {to: [ops@example.org]}
  apprise: ["json://localhost", CHAT_URL]
  alertmanager: http://localhost:9093
"""


def names(tmp_path, text, **environment):
    (tmp_path / "lumen.yaml").write_text(text)
    settings = load_settings({"LUMEN_HOME": str(tmp_path / "home"), **environment}, tmp_path)
    channels = open_channels(settings)
    assert [channel.name for channel in channels.values()] == list(channels)
    return list(channels)


def test_each_that_is_configured_by_its_name(tmp_path):
    environment = {
        "LUMEN_ALERT_URL": "https://hooks.example/x",
        "SMTP_HOST": "localhost",
        "SMTP_FROM": "lumen@example.org",
        "CHAT_URL": "slack://a/b/c",
    }
    assert names(tmp_path, EVERYTHING, **environment) == ["webhook", "mail", "apprise-1", "apprise-2", "alertmanager"]
    without = EVERYTHING.replace("alerts:", "alerts:\n  webhook: false")
    assert "webhook" not in names(tmp_path, without, **environment)
    assert not (tmp_path / "home").exists()  # nothing is made by opening them


def test_none(tmp_path):
    assert names(tmp_path, "{}") == []
    assert names(tmp_path, "{}", SMTP_HOST="localhost", SMTP_FROM="a@example.org") == []  # to nobody


def test_a_message_about_one_event_is_whole():
    said = message_about(event())
    assert (said.id, said.count, said.events_total, said.subjects) == (event().id, 1, 1, ("2026-03-09",))
    assert Message.from_payload(said.payload()) == said
    assert "renew the session" in said.text()
