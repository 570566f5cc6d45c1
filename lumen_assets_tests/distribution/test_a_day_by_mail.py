"""A real day's report, by ``lumen daily`` and a mail server with STARTTLS and a login: what people have in the end."""

from __future__ import annotations

import json
from html import escape
from io import BytesIO
from pathlib import Path

import pypdf
import pytest

from lumen_assets.alerting import smtp
from lumen_assets.report import load_report
from lumen_assets.report.findings import sentences
from lumen_assets_tests.alerting.mail_server import MailServer
from lumen_assets_tests.installation import LAST_DAY, Installation

TO = "운영자 <ops@example.org>"


@pytest.mark.parametrize("language", ["ko", "en"])
def test_what_arrives_is_the_report_of_the_day(
    server: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setattr(smtp, "is_this_machine", lambda _: False)  # which may do without TLS
    settings = f"report: {{language: {language}}}\ndistribution: {{mail: {{to: ['{TO}'], within_days: 36500}}}}\n"
    installation = Installation.make(tmp_path / "installation", days=1, configuration=settings)
    environment = {
        "SMTP_HOST": "localhost",
        "SMTP_PORT": str(server.port),
        "SMTP_USER": "me",
        "SMTP_PASS": server.password,
        "SMTP_FROM": "Lumen <lumen@example.org>",
    }
    made = installation.json("daily", "--day", str(LAST_DAY), **environment)
    assert made["attestation"]["ok"]
    [mail] = server.mails
    assert (server.recipients, server.logins, server.in_the_clear) == (
        [["ops@example.org"]],
        [("me", server.password)],
        False,
    )
    [attached] = mail.iter_attachments()
    pdf = attached.get_content()
    assert pdf == Path(made["report"]).with_suffix(".pdf").read_bytes()
    installation.json("restore", str(LAST_DAY), "--to", tmp_path / "restored", **environment)
    [frozen] = (tmp_path / "restored").rglob(f"report_{LAST_DAY}.pdf")
    assert pdf == frozen.read_bytes()
    [inside] = pypdf.PdfReader(BytesIO(pdf)).attachments.values()
    assert json.loads(inside[0])["day"] == str(LAST_DAY)
    report = load_report(Path(made["report"]).parent, LAST_DAY)
    found = sentences(report)
    assert len(found) > 3, "a day with something to say"
    text, page = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert [line.removeprefix("- ") for line in text.splitlines() if line.startswith("- ")] == found
    assert all(f"<li>{escape(sentence)}</li>" in page for sentence in found)
    assert page.count("<li>") == len(found) + report.sample
    assert report.language == mail["Content-Language"] == language
