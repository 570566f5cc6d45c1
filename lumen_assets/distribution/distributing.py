"""A day's report to all who are to have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from lumen_assets.alerting.headers import bare
from lumen_assets.alerting.smtp import SmtpClient
from lumen_assets.archive import FrozenDay, Keyring
from lumen_assets.days import day_bounds
from lumen_assets.distribution.frozen import frozen_report
from lumen_assets.distribution.ledger import Delivery, DeliveryLedger, State, folder_target, mail_target
from lumen_assets.distribution.mail import SETTING
from lumen_assets.distribution.putting import put_report
from lumen_assets.distribution.sending import send_report
from lumen_assets.replication.store import Store
from lumen_assets.settings import Configuration, Settings


def targets(configuration: Configuration, *, mails: bool = True) -> list[str]:
    """Who is to have every report, by the ledger's names; without ``mails``, the folders alone."""
    setting = configuration.distribution
    to = setting.mail.to if mails else ()
    folders = list(configuration.destinations) if setting.folder else []
    return [mail_target(bare(one)) for one in to] + [folder_target(name) for name in folders]


def mails_are_due(day: date, configuration: Configuration, now: datetime) -> bool:
    """Whether the report of a day is mailed by itself: a year that is made up for is not 365 mails.

    Args:
        now: with a zone.
    """
    return now - day_bounds(day)[1] <= timedelta(days=configuration.distribution.mail.within_days)


def distribute(
    frozen: FrozenDay,
    keyring: Keyring,
    settings: Settings,
    stores: Mapping[str, Store],
    ledger: DeliveryLedger,
    scratch: Path,
    *,
    mails: bool,
    again: bool,
) -> Sequence[Delivery]:
    """Send and put a revision's report wherever it is not yet; what is known of each is returned, and is not raised.

    Args:
        frozen: the day, and the revision.
        keyring: opens its archive.
        settings: who is to have it, and by which server.
        stores: by destination.
        ledger: what is known of deliveries.
        scratch: a folder for files.
        mails: whether any are sent.
        again: whether those that are in doubt are sent once more.

    Raises:
        LumenError: of the archive or the ledger.
    """
    setting, manifest = settings.configuration.distribution, frozen.manifest
    if targets(settings.configuration, mails=mails):
        with frozen_report(frozen, keyring, scratch) as report:
            if mails and settings.smtp is not None:
                over = (State.FAILED, State.IN_DOUBT) if again else (State.FAILED,)
                send_report(report, setting.mail.to, SmtpClient(settings.smtp, SETTING), ledger, over)
            if setting.folder:
                for store in stores.values():
                    put_report(report, setting.folder, store, ledger)
    known = ledger.of(manifest.day, manifest.revision)
    return [known[target] for target in targets(settings.configuration) if target in known]
