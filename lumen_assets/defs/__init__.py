"""Dagster glue: partition key in, domain call, MaterializeResult with metadata out. No domain logic belongs here."""

import gc

gc.set_threshold(50_000)  # what Dagster and the SDKs import stays: looking for garbage among it took 0.2 s of each run's process
