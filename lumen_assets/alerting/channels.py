"""The channels that are configured."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from lumen_assets.alerting.alertmanager import AlertmanagerChannel
from lumen_assets.alerting.chat import ChatChannel
from lumen_assets.alerting.events import Event
from lumen_assets.alerting.mail import MailChannel
from lumen_assets.alerting.messages import Channel, Message
from lumen_assets.alerting.webhook import WebhookChannel
from lumen_assets.settings import Settings

AT_ONCE: Final = ("alertmanager",)
"""Channels that neither the cap nor the quiet hours are for: Alertmanager groups and mutes by itself, has to hear of
each incident's end, and forgets one that is not repeated."""


def open_channels(settings: Settings) -> Mapping[str, Channel]:
    """Every channel that is configured, by its name; nothing is connected to yet."""
    alerts = settings.configuration.alerts
    channels: list[Channel] = []
    if alerts.webhook and settings.alert_url is not None:
        channels.append(WebhookChannel(settings.alert_url, settings.alert_secret))
    if alerts.mail.to and settings.smtp is not None:
        channels.append(MailChannel(settings.smtp, alerts.mail.to, settings.home / "alerts" / "mail"))
    channels += [ChatChannel(number, url) for number, url in enumerate(settings.apprise_urls, 1)]
    if settings.alertmanager_url is not None:
        channels.append(AlertmanagerChannel(settings.alertmanager_url, timedelta(hours=alerts.repeat_hours)))
    return {channel.name: channel for channel in channels}


def message_about(event: Event) -> Message:
    """A message about one event alone, outside of any incident: for what is said at once."""
    return Message(
        id=event.id,
        incident=f"{event.kind}|{event.id}",
        number=1,
        kind=event.kind,
        source=event.source,
        error_class=event.error_class,
        severity=event.severity,
        state=event.state,
        title=event.title,
        since=event.at,
        at=event.at,
        count=1,
        subjects=(event.subject,) if event.subject else (),
        subjects_total=1 if event.subject else 0,
        events=(event,),
        events_total=1,
    )
