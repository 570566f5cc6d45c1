"""Dagster glue: partition key in, domain call, MaterializeResult with metadata out. No domain logic belongs here."""

import gc

gc.set_threshold(50_000)  # Dagster and the SDKs stay once imported: looking for garbage among them took 0.2 s a process
