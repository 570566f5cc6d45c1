"""Whether anybody is told of a failure."""

from __future__ import annotations

from lumen_assets.alerting.channels import open_channels
from lumen_assets.health.findings import Finding
from lumen_assets.settings import Settings


def channels(settings: Settings) -> Finding:
    """The channels of alerts that are configured; it warns where there is none, or where what is sent is not signed."""
    names = list(open_channels(settings))
    if not names:
        return Finding(
            "alerts",
            ok=True,
            detail="no channel is configured: nobody is told of a failure",
            fix="set LUMEN_ALERT_URL, or see docs/alerts.md for the others",
            warning=True,
        )
    if "webhook" in names and not settings.alert_secrets:
        return Finding(
            "alerts",
            ok=True,
            detail=f"by {', '.join(names)}; the webhook is not signed: its receiver cannot know it is us",
            fix="set LUMEN_ALERT_SECRET, here and at the receiver",
            warning=True,
        )
    return Finding("alerts", ok=True, detail=f"by {', '.join(names)}; `lumen doctor --send-test` tries them")
