"""What happens in Dagster, read for the outbox: at least once, whoever crashes meanwhile."""
