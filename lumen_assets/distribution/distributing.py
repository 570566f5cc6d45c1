"""A day's report to all who are to have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lumen_assets.alerting.headers import bare
from lumen_assets.alerting.smtp import SmtpClient
from lumen_assets.archive import FrozenDay, Keyring
from lumen_assets.distribution.frozen import frozen_report
from lumen_assets.distribution.ledger import Delivery, DeliveryLedger, State, folder_target, mail_target
from lumen_assets.distribution.mail import SETTING
from lumen_assets.distribution.putting import put_report
from lumen_assets.distribution.sending import send_report
from lumen_assets.replication.store import Store
from lumen_assets.settings import Configuration, Settings


def targets(configuration: Configuration) -> list[str]:
    """Who is to have every report, by the ledger's names."""
    setting = configuration.distribution
    folders = list(configuration.destinations) if setting.folder else []
    return [mail_target(bare(to)) for to in setting.mail.to] + [folder_target(name) for name in folders]


def distribute(
    frozen: FrozenDay,
    keyring: Keyring,
    settings: Settings,
    stores: Mapping[str, Store],
    ledger: DeliveryLedger,
    scratch: Path,
    *,
    again: bool = False,
) -> Sequence[Delivery]:
    """Send and put a revision's report wherever it is not yet; what became of each is returned, and is not raised.

    Args:
        frozen: the day, and the revision.
        keyring: opens its archive.
        settings: who is to have it, and by which server.
        stores: by destination.
        ledger: what is known of deliveries.
        scratch: a folder for files.
        again: whether mails that are in doubt are sent once more.

    Raises:
        LumenError: of the archive or the ledger.
    """
    setting, manifest = settings.configuration.distribution, frozen.manifest
    with frozen_report(frozen, keyring, scratch) as report:
        if setting.mail.to and settings.smtp is not None:
            over = (State.FAILED, State.IN_DOUBT) if again else (State.FAILED,)
            send_report(report, setting.mail.to, SmtpClient(settings.smtp, SETTING), ledger, over)
        if setting.folder:
            for store in stores.values():
                put_report(report, setting.folder, store, ledger)
    known = ledger.of(manifest.day, manifest.revision)
    return [known[target] for target in targets(settings.configuration) if target in known]
