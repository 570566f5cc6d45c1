"""What a run imports, but for Polars, which starts threads: for the process that runs are forked from.

A module with no use of its own: importing it makes this process that one.
"""

import gc
import signal
from contextlib import suppress
from importlib import import_module

for _name in (
    "dagster._cli",
    "lumen_assets.definitions",
    "lumen_assets.defs.storage",
    "dagster._core.instance.runs",
    "dagster._core.storage.migration.utils",
    "upath.implementations.local",
    "numpy.ma",
    "lumen_assets.alerting.withholding",
    "lumen_assets.late_data",
    "lumen_assets.report.numbers_ledger",
    "lumen_assets.verification.ledger",
):
    with suppress(Exception):  # the run imports it itself, and says what is wrong
        import_module(_name)

# Who stops a service sends SIGTERM to all of its processes. This one ends with the code server, and not before the runs
# that are told of their end through it; a run handles the signal itself.
signal.signal(signal.SIGTERM, signal.SIG_IGN)

gc.freeze()  # so that looking for garbage in a run copies no page of what it shares with the others
