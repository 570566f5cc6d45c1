"""``alerts``: who is told what, and how often."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lumen_assets.settings.section import Section

TIME_OF_DAY = r"^([01]\d|2[0-3]):[0-5]\d$"


def _name_or_harmless_url(value: str) -> str:
    if "://" in value and "@" in value.split("://", 1)[1]:
        raise ValueError(
            "an address with a user or password in it does not belong into lumen.yaml: put it in an environment "
            "variable and give the variable's name here"
        )
    if "://" not in value and not (value.isidentifier() and value == value.upper()):
        raise ValueError("must be an address, or the name of an environment variable that holds it, as SLACK_URL")
    return value


UrlOrVariable = Annotated[str, AfterValidator(_name_or_harmless_url)]
"""An address, or the name of the environment variable (also as ``NAME_FILE``) that holds it: most are secrets."""


class AlertMail(Section):
    """Mail: to whom. From where: SMTP_HOST, SMTP_PORT, SMTP_USER, SMTP_PASS, SMTP_FROM."""

    to: tuple[str, ...] = Field((), description="addresses of those who are told")


class QuietHours(Section):
    """When nobody is woken for what can wait."""

    start: str = Field("22:00", pattern=TIME_OF_DAY, description="the beginning, KST")
    end: str = Field("07:00", pattern=TIME_OF_DAY, description="the end, KST; may be on the next day")
    below: Literal["warning", "critical"] = Field(
        "critical", description="alerts of a lower severity than this wait until the end"
    )

    @model_validator(mode="after")
    def _lasts(self) -> QuietHours:
        if self.start == self.end:
            raise ValueError("start and end are the same: leave quiet out if there are no quiet hours")
        return self


class Alerts(Section):
    """Who is told what, and how often."""

    webhook: bool = Field(True, description="post to LUMEN_ALERT_URL, where it is set")
    mail: AlertMail = AlertMail.model_construct()
    apprise: tuple[UrlOrVariable, ...] = Field(
        (), description="Slack, Discord and others: Apprise addresses, or variables that hold them"
    )
    alertmanager: UrlOrVariable | None = Field(None, description="base address of an Alertmanager (API v2)")
    dead_man_url: UrlOrVariable | None = Field(
        None,
        description="pinged each day, with /start, with nothing, or with /fail behind it",
    )
    ui_url: str = Field("http://127.0.0.1:3000", description="where the Dagster UI is, for links to runs")
    deadline: str = Field("12:00", pattern=TIME_OF_DAY, description="KST: by then yesterday is attested")
    stuck_minutes: int = Field(120, ge=1, description="a run that takes longer, or waits longer, is stuck")
    group_wait_seconds: int = Field(30, ge=0, le=3600, description="a new incident waits for more of its kind")
    group_interval_minutes: int = Field(15, ge=1, description="least time between messages about one incident")
    repeat_hours: int = Field(24, ge=1, description="an incident that lasts is said again after so long")
    quiet: QuietHours | None = Field(None, description="when nobody is woken for what can wait")
    cap_per_hour: int = Field(30, ge=2, description="messages an hour and channel; more are put together in one")
    daily_summary: bool = Field(True, description="say each day that all is well")
