"""What a run imports, but for Polars, which starts threads: for the process that runs are forked from.

A module with no use of its own. It stands for the imports of the process that a run would be.
"""

import gc
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
    import_module(_name)
gc.freeze()  # so that looking for garbage in a run copies no page of what it shares with the others
