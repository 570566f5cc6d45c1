"""Dagster glue: partition key in, domain call, MaterializeResult with metadata out. No domain logic belongs here."""
