"""What the mail says, and how it is made."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from lumen_assets.distribution.mail import report_mail
from lumen_assets.errors import PermanentError
from lumen_assets.report.findings import find, sentences
from lumen_assets.report.model import Grafana
from lumen_assets_tests.alerting.receiver import NOW

SENDER = "Lumen <lumen@example.org>"
TO = "운영자 <ops@example.org>"


def mail(report, **changes):
    changed = dataclasses.replace(report.report, **changes)
    changed = dataclasses.replace(changed, findings=find(changed, min_coverage={"": 0.9}, late_days=14))
    return report_mail(dataclasses.replace(report, report=changed), SENDER, TO, NOW)


def test_the_findings_are_there_as_text_and_as_html_with_the_pdf(report) -> None:
    made = mail(report, sample=False)
    found = sentences(report.report)
    assert found
    text, page = (made.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert all(f"- {one}" in text for one in found)
    assert page.count("<li>") == len(found)
    assert "Report &lt;of&gt; the &amp; day" in page
    assert "<of>" not in page
    assert "http" not in page, "nothing is fetched by who reads it"
    (pdf,) = made.iter_attachments()
    assert (pdf.get_content_type(), pdf.get_filename()) == ("application/pdf", "report_2025-10-23_r1.pdf")
    assert pdf.get_content() == report.file(".pdf").read_bytes()
    assert (made["From"], made["To"], made["Auto-Submitted"]) == (SENDER, TO, "auto-generated")
    assert made["Subject"] == f"Report <of> the & day 2025-10-23: {found[0]}"
    assert "c0ffee" in text
    assert "r1" in text


def test_sample_data_and_missing_pictures_are_findings(report) -> None:
    made = mail(report, sample=True, grafana=Grafana(asked=2))
    assert "SAMPLE DATA" in made["Subject"]
    assert "Pictures that Grafana did not give: 2 of 2" in made.get_body(("plain",)).get_content()


def test_in_the_language_of_the_report(report) -> None:
    made = mail(report, language="ko")
    assert "첨부한 PDF" in made.get_body(("plain",)).get_content()
    assert made["Content-Language"] == "ko"
    assert '<html lang="ko">' in made.get_body(("html",)).get_content()


def test_the_message_id_is_that_of_day_revision_content_and_recipient(report) -> None:
    def identity(frozen=report, to=TO, now=NOW):
        return report_mail(frozen, SENDER, to, now)["Message-ID"]

    others = [
        identity(dataclasses.replace(report, revision=2)),
        identity(dataclasses.replace(report, content_digest="other")),
        identity(to="second@example.org"),
    ]
    assert identity() == identity(now=NOW + timedelta(hours=9)) == identity(to="OPS@example.org")
    assert identity() not in others
    assert identity().endswith("@example.org>")


@pytest.mark.parametrize("line", ["\r\nBcc: evil@example.org", "\u2028X: y", "\0", "\ud800"])
def test_no_header_can_be_put_in(report, line) -> None:
    made = mail(report, title=f"title{line}")
    assert made["Bcc"] is made["X"] is None
    assert made["Subject"].startswith("title")
    assert made.as_bytes()
    with pytest.raises(PermanentError, match=r"distribution\.mail\.to"):
        report_mail(report, SENDER, f"ops@example.org{line}", NOW)
