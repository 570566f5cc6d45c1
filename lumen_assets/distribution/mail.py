"""A report as a mail: what was found as text and as HTML, and the PDF.

Standards: RFC 5322 (Message-ID), RFC 3834 (Auto-Submitted).
"""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from typing import Final

from lumen_assets.alerting.headers import address, encodable, message_id, one_line
from lumen_assets.distribution.frozen import FrozenReport
from lumen_assets.report.findings import basis_text, findings_text, sentences
from lumen_assets.report.model import Language
from lumen_assets.report.wording import Wording

SETTING: Final = "distribution.mail.to"

_ATTACHED: Final[dict[Language, str]] = {
    "ko": "전체 보고서는 첨부한 PDF에 있고, JSON도 그 안에 들어 있습니다. "
    "개정 번호 r{revision}, 보관 내용 SHA-256 {digest}",
    "en": "The whole report, with its JSON, is in the PDF that is attached. "
    "Revision r{revision}, content of the archive: SHA-256 {digest}",
}

_PAGE: Final = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title></head>
<body style="font-family: sans-serif; line-height: 1.5; color: #1f2933; max-width: 40em">
<h1 style="font-size: 1.2em">{title}</h1>
<ul>
{findings}
</ul>
<p>{basis}</p>
<p style="font-size: 0.85em; color: #5b6770">{attached}</p>
</body></html>
"""


def report_mail(frozen: FrozenReport, sender: str, recipient: str, now: datetime) -> EmailMessage:
    """The mail to one recipient.

    Its Message-ID is that of the day, the revision, its content and the recipient: one that is sent again, since nobody
    knows whether it arrived, is recognized by it.

    Args:
        sender: an address.
        recipient: an address.
        now: with a zone; its date.

    Raises:
        PermanentError: if an address is none.
    """
    author, report = address(sender, "SMTP_FROM"), frozen.report
    to = address(recipient, SETTING)
    wording = Wording(report.language)
    found = [*([wording("banner_sample")] if report.sample else []), *sentences(report)]
    title = f"{report.title} {frozen.day.isoformat()}"
    attached = _ATTACHED[report.language].format(revision=frozen.revision, digest=frozen.content_digest)
    mail = EmailMessage(policy=SMTP)
    mail["From"] = author
    mail["To"] = to
    mail["Subject"] = one_line(f"{title}{f' r{frozen.revision}' if frozen.revision > 1 else ''}: {found[0]}")[:200]
    mail["Date"] = format_datetime(now)
    identity = ("report", frozen.day, frozen.revision, frozen.content_digest, to.addr_spec.casefold())
    mail["Message-ID"] = message_id("|".join(map(str, identity)), author)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(encodable(f"{findings_text(report)}\n{attached}\n"), cte="base64")
    page = _PAGE.format(
        language=report.language,
        title=escape(title),
        findings="\n".join(f"<li>{escape(one)}</li>" for one in found),
        basis=escape(basis_text(report, wording)),
        attached=escape(attached),
    )
    mail.add_alternative(encodable(page), subtype="html", cte="base64")
    pdf = frozen.file(".pdf").read_bytes()
    mail.add_attachment(pdf, maintype="application", subtype="pdf", filename=frozen.name(".pdf"))
    mail["Content-Language"] = report.language
    return mail
