"""``lumen notify``: say something through every channel, now."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

import click

from lumen_assets.alerting.delivery import deliver
from lumen_assets.alerting.events import Event, Kind, Severity, State
from lumen_assets.alerting.messages import Channel, Message
from lumen_assets.alerting.quiet import is_quiet
from lumen_assets.alerting.reading import ChannelError, Sent
from lumen_assets.alerting.schema import DELIVERED
from lumen_assets.cli.outbox import outbox_of
from lumen_assets.cli.running import PROBLEM, json_option, print_json
from lumen_assets.days import kst
from lumen_assets.errors import LumenError, SettingsError
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace

SECONDS: Final = 20.0
"""No message is begun after so long: others may wait too."""

LARGEST: Final = 1 << 20
"""Characters of JSON that are taken."""


@dataclass(frozen=True)
class Delivery:
    """What a channel answered: whether it took the message, what it said, and what to do where it did not."""

    channel: str
    ok: bool
    answer: str
    fix: str = ""


@click.command()
@click.argument("title")
@click.argument("facts", metavar="[JSON]", required=False)
@click.option(
    "--severity", type=click.Choice([str(one) for one in Severity]), default=str(Severity.INFO), show_default=True
)
@json_option
def notify(title: str, facts: str | None, severity: str, as_json: bool) -> None:
    """Send TITLE, and the facts of a JSON object, through every channel that is configured.

    JSON is an object, or - to read one from stdin. Exit codes: 0 all of them took it, 1 one did not, 2 usage.
    """
    if not title.strip():
        raise click.BadParameter("it is empty", param_hint="TITLE")
    event = Event(
        id=str(uuid.uuid4()),
        kind=Kind.NOTICE,
        severity=Severity(severity),
        state=State.NOTICE,
        source="lumen notify",
        at=datetime.now(UTC),
        title=title,
        facts=_facts(facts),
    )
    results = send_now(event)
    ok = all(result.ok for result in results)
    if as_json:
        print_json({"ok": ok, "id": event.id, "channels": [asdict(result) for result in results]})
    else:
        for result in results:
            click.echo(f"{'✓' if result.ok else '✗'} {result.channel}: {result.answer}")
            if result.fix:
                click.echo(f"    fix: {result.fix}")
    if not ok:
        raise SystemExit(PROBLEM)


def send_now(event: Event) -> Sequence[Delivery]:
    """Put an event into the outbox, send it through every channel, and say what each answered.

    What a channel does not take now stays in the outbox, for the sensor or the next command that sends.

    Raises:
        SettingsError: if the settings are wrong, or no channel is configured.
        LumenError: if the outbox cannot be used.
    """
    workspace = Workspace(load_settings())
    if not workspace.channels:
        raise SettingsError(
            subject="the channels of alerts",
            problems=["alerts: no channel is configured: set LUMEN_ALERT_URL, or see docs/alerts.md for the others"],
        )
    outbox = outbox_of(workspace)
    outbox.record([event], datetime.now(UTC))
    deliver(outbox, workspace.channels, lambda: datetime.now(UTC), seconds=SECONDS, at_once=True)
    sent = outbox.sent(event.id)
    return [_result(name, sent.get(name), outbox.last_error(name), workspace) for name in workspace.channels]


def _result(channel: str, sent: Sent | None, error: ChannelError | None, workspace: Workspace) -> Delivery:
    if sent is None:  # another program, with other settings, put it together first
        return Delivery(channel, ok=False, answer="it is not for this channel: it was added after the message was made")
    if sent.status == DELIVERED:
        return Delivery(channel, ok=True, answer=sent.answer)
    quiet = is_quiet(workspace.settings.configuration.alerts.quiet, datetime.now(UTC))
    if sent.error:
        why = sent.error
    elif error:  # the channel is not asked before its wait is over
        why = f"not tried before {kst(error.next_try)}, since it did not take another message: {error.text}"
    else:
        why = "quiet hours" if quiet else "others go before it"
    return Delivery(channel, ok=False, answer=f"{why}; it waits in the outbox and is sent again")


def deliveries(channels: Mapping[str, Channel], message: Message) -> Iterator[Delivery]:
    """Send a message through each channel, and say what it answered."""
    for name, channel in channels.items():
        try:
            answer = channel.send(message, datetime.now(UTC))
        except LumenError as error:
            retry = "" if not error.retry_helps else "; trying again may help"
            yield Delivery(name, ok=False, answer=f"{error.subject}: {error.cause}{retry}", fix=error.hint)
        else:
            yield Delivery(name, ok=True, answer=answer)


def _facts(text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    try:
        source = sys.stdin.read(LARGEST + 1) if text == "-" else text
        if len(source) > LARGEST:
            raise click.BadParameter(f"it is longer than {LARGEST} characters", param_hint="JSON")
        content = json.loads(source)
    except (ValueError, RecursionError) as error:
        reason = f" ({error.msg} at line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise click.BadParameter(f"it is not JSON{reason}", param_hint="JSON") from None
    if not isinstance(content, dict):
        raise click.BadParameter('it is not an object: {"name": "value"}', param_hint="JSON")
    return {name: _fact(value) for name, value in content.items()}


def _fact(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
