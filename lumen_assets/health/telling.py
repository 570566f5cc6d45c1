"""Whether anybody is told of a failure."""

from __future__ import annotations

from datetime import datetime

from lumen_assets.alerting.channels import open_channels
from lumen_assets.alerting.outbox import Outbox
from lumen_assets.days import kst
from lumen_assets.health.findings import Finding
from lumen_assets.settings import Settings
from lumen_assets.texts import counted


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
    if "webhook" in names and settings.alert_secret is None:
        return Finding(
            "alerts",
            ok=True,
            detail=f"by {', '.join(names)}; the webhook is not signed: its receiver cannot know it is us",
            fix="set LUMEN_ALERT_SECRET, here and at the receiver",
            warning=True,
        )
    return Finding("alerts", ok=True, detail=f"by {', '.join(names)}; `lumen doctor --send-test` tries them")


def outbox(kept: Outbox, now: datetime) -> Finding:
    """Whether the channels take what the outbox has for them.

    Raises:
        LumenError: if it cannot be used.
    """
    errors = {name: error for name in kept.channels if (error := kept.last_error(name))}
    depth = kept.depth(now)
    if errors:
        said = [
            f"{name} did not take the last one, at {kst(error.at)}: {error.text}; "
            f"{counted(depth[name].messages, 'message')} to be sent"
            for name, error in errors.items()
        ]
        fix = "`lumen doctor --send-test` asks each channel now; `lumen alerts` shows what waits"
        return Finding("outbox", ok=False, detail=". ".join(said), fix=fix)
    waiting = sum(one.messages for one in depth.values())
    return Finding("outbox", ok=True, detail=f"{counted(waiting, 'message')} to be sent")
