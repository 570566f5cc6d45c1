"""The report in a folder at a destination, write-once."""

from __future__ import annotations

from datetime import UTC, datetime

from lumen_assets.archive import digest_file
from lumen_assets.distribution.frozen import SUFFIXES, FrozenReport
from lumen_assets.distribution.ledger import Delivery, DeliveryLedger, State, folder_target
from lumen_assets.errors import LumenError
from lumen_assets.replication.store import Store


def put_report(frozen: FrozenReport, folder: str, store: Store, ledger: DeliveryLedger) -> None:
    """Put a report into a folder at a destination; what became of that is in the ledger, and is not raised.

    What is there already stays; something else under the name of a file is a conflict, and stays too. What was sent
    stays sent though its destination is away later, but not where something else is in its place.

    Raises:
        LumenError: of the ledger.
    """
    day, revision, target = frozen.day, frozen.revision, folder_target(store.name)
    try:
        for suffix in SUFFIXES:
            store.put(f"{folder}/{frozen.name(suffix)}", frozen.file(suffix), digest_file(frozen.file(suffix)))
    except LumenError as error:
        failed = Delivery.failed(day, revision, target, error, datetime.now(UTC))
        (ledger.settle if error.error_class == "conflict" else ledger.note)(failed)
    else:
        ledger.settle(Delivery(day, revision, target, State.SENT, datetime.now(UTC)))
