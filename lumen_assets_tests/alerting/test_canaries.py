"""No secret in any payload, error or log, of any channel, whatever is answered."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lumen_assets.alerting.channels import open_channels
from lumen_assets.alerting.dead_man import ping
from lumen_assets.errors import LumenError
from lumen_assets.settings import load_settings
from lumen_assets_tests.alerting import mail_server
from lumen_assets_tests.alerting.receiver import Received, Say, Server, message

CONFIGURATION = """
alerts:
  mail: {to: [ops@example.org]}
  apprise: [CHAT_URL]
  alertmanager: MANAGER_URL
  dead_man_url: PING_URL
"""


def said_again(request: Received, status: int) -> Say:
    """Everything that was asked is said again, as bad gateways do."""
    body = f"{request.target} {request.headers}".encode() + request.body
    return Say(status, {"Content-Type": "text/plain", "Retry-After": "canary-header"}, body)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 429, 500, 0, -1])
def test_no_canary_gets_out(receiver: Server, tmp_path: Path, caplog, capfd, status: int) -> None:
    caplog.set_level(logging.CRITICAL, "mail.log")  # the server's own
    caplog.set_level(logging.DEBUG)  # second: it sets the level of the handler too
    broken = {0: Say(play=lambda handler: None), -1: Say(play=lambda handler: handler.wfile.write(b"canary\r\n\r\n"))}
    receiver.say = lambda request: broken.get(status) or said_again(request, status)
    at = f"me:canary-password@127.0.0.1:{receiver.port}/canary-path/canary%2Dquoted"
    (tmp_path / "lumen.yaml").write_text(CONFIGURATION)
    with mail_server.mail_server(auth_require_tls=False) as mail:
        mail.login_answer = "535 canary-password is wrong"
        environment = {
            "LUMEN_HOME": str(tmp_path / "home"),
            "LUMEN_ALERT_URL": f"http://{at}?key=canary-key",
            "LUMEN_ALERT_SECRET": "canary-one,whsec_Y2FuYXJ5LXR3bw==",
            "SMTP_HOST": "localhost",
            "SMTP_PORT": str(mail.port),
            "SMTP_USER": "me@example.org",
            "SMTP_PASS": "canary-mail",
            "CHAT_URL": f"json://{at}?-key=canary-key",
            "MANAGER_URL": f"http://{at}",
            "PING_URL": f"http://{at}?key=canary-key",
        }
        settings = load_settings(environment, tmp_path)
        said = []
        for channel in open_channels(settings).values():
            try:
                said.append(channel.send(message(), datetime.now(UTC)))
            except LumenError as error:
                said += [str(error), repr(error), error.cause, error.hint, error.subject]
                said += [repr(error.__cause__), repr(error.__context__)]
        assert settings.dead_man_url
        ping(settings.dead_man_url.get_secret_value(), "fail", "run", sleep=lambda seconds: None)
    written = capfd.readouterr()
    assert len(receiver.received) >= 4
    assert len(said) >= 4
    bodies = b" ".join(request.body for request in receiver.received).decode()
    for text in (*said, caplog.text, written.out, written.err, bodies):
        assert "canary" not in text.lower()
        assert "Y2FuYXJ5" not in text
