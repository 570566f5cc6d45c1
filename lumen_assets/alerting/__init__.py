"""Alerts that arrive: events, incidents, a durable outbox, and the channels to people."""
