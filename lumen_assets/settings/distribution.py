"""``distribution``: who is sent the reports, and where else they are put."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from lumen_assets.days import parse_day
from lumen_assets.settings.section import Section


def _folder(path: str) -> str:
    pure = PurePosixPath(path)
    if not pure.parts or pure.is_absolute() or any(part.startswith(".") for part in pure.parts):
        raise ValueError("must be a relative path, without '..' and names that begin with a dot")
    try:
        parse_day(pure.parts[0])
    except ValueError:
        return str(pure)
    raise ValueError("must not begin with a day: there the archives are")


class ReportMail(Section):
    """Mail: to whom. From where: SMTP_HOST, SMTP_PORT, SMTP_USER, SMTP_PASS, SMTP_FROM."""

    to: tuple[str, ...] = Field((), description="addresses of those who are sent each report")
    within_days: int = Field(
        3, ge=1, description="a day that ended longer ago, as one that is made up for, is mailed to nobody by itself"
    )

    @field_validator("to")
    @classmethod
    def _no_one_twice(cls, to: tuple[str, ...]) -> tuple[str, ...]:
        if len({address.casefold() for address in to}) < len(to):
            raise ValueError("an address stands there twice")
        return to


class Distribution(Section):
    """Who is sent the reports, and where else they are put."""

    mail: ReportMail = ReportMail.model_construct()
    folder: Annotated[str, AfterValidator(_folder)] | None = Field(
        None, description="folder at every destination where each report is put, **not encrypted**"
    )
