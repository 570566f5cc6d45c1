"""The state of an installation as gauges in the Prometheus text format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from lumen_assets.alerting.events import Severity


@dataclass(frozen=True)
class Vitals:
    """The numbers. None is what is not known: its gauge is left out, never made up.

    Attributes:
        version: of this software.
        last_success: when the newest day that met the policy first did, with a zone.
        days_below_policy: days whose newest attestation does not meet the policy.
        days_missing: due days that neither the index nor an attestation of this machine knows.
        days_inputs_changed: frozen days whose inputs were not what was frozen when they were last looked at.
        days_few_rows: days of ``start_date`` to yesterday that were frozen with fewer rows than they should have.
        backfill_backlog_days: due days that do not meet the policy, for whatever reason: missing ones too.
        replicas: how many of each verdict, by destination; UNVERIFIED are frozen days without any.
        outbox_depth: messages that wait, by channel.
        outbox_oldest_age_seconds: how long the oldest of them waits, by channel.
        incidents_open: by severity.
        days_given_up: missing days that are not tried again by themselves.
        retention_done: when retention was last carried out to the end, by destination.
        drilled: share of the replicas that a drill restored at some time, by destination.
        drill_age_seconds: since the last restore drill that succeeded.
    """

    version: str
    last_success: datetime | None
    days_below_policy: int
    days_missing: int
    backfill_backlog_days: int
    replicas: Mapping[str, Mapping[str, int]]
    days_inputs_changed: int = 0
    days_few_rows: int = 0
    outbox_depth: Mapping[str, int] | None = None
    outbox_oldest_age_seconds: Mapping[str, float] | None = None
    incidents_open: Mapping[Severity, int] | None = None
    days_given_up: int | None = None
    drill_age_seconds: float | None = None
    drilled: Mapping[str, float] = field(default_factory=dict)
    retention_done: Mapping[str, datetime] = field(default_factory=dict)


Samples = Iterator[tuple[tuple[str, ...], float]]


@dataclass(frozen=True)
class Gauge:
    """One gauge.

    Attributes:
        meaning: one sentence; its HELP.
        labels: the names of its labels.
        read: its samples, as label values and number; none where nothing is known.
    """

    name: str
    meaning: str
    labels: tuple[str, ...]
    read: Callable[[Vitals], Samples]


def _one(value: float | None) -> Samples:
    if value is not None:
        yield (), value


def _by_name(values: Mapping[str, float] | None) -> Samples:
    for name, value in (values or {}).items():
        yield (name,), value


def _replicas(vitals: Vitals) -> Samples:
    for destination, verdicts in vitals.replicas.items():
        for verdict, count in verdicts.items():
            yield (destination, verdict), count


def _incidents(vitals: Vitals) -> Samples:
    if vitals.incidents_open is not None:
        for severity in Severity:  # 0 is said too, so that an alert on it ends
            yield (severity.value,), vitals.incidents_open.get(severity, 0)


GAUGES: Final = (
    Gauge(
        "lumen_last_success_timestamp_seconds",
        "When the newest day that met the replica policy first did, in Unix time.",
        (),
        lambda vitals: _one(vitals.last_success.timestamp() if vitals.last_success else None),
    ),
    Gauge(
        "lumen_partitions_below_policy",
        "Days whose newest attestation counts fewer good replicas than required.",
        (),
        lambda vitals: _one(vitals.days_below_policy),
    ),
    Gauge(
        "lumen_partitions_missing",
        "Due days that no archive is known of here.",
        (),
        lambda vitals: _one(vitals.days_missing),
    ),
    Gauge(
        "lumen_backfill_backlog_partitions",
        "Due days that do not meet the replica policy for whatever reason.",
        (),
        lambda vitals: _one(vitals.backfill_backlog_days),
    ),
    Gauge(
        "lumen_partitions_inputs_changed",
        "Frozen days whose inputs are no longer what was frozen of them.",
        (),
        lambda vitals: _one(vitals.days_inputs_changed),
    ),
    Gauge(
        "lumen_partitions_few_rows",
        "Frozen days with a smaller share of their rows than they should have.",
        (),
        lambda vitals: _one(vitals.days_few_rows),
    ),
    Gauge(
        "lumen_partitions_given_up",
        "Missing days that failed so often that they are not tried again by themselves.",
        (),
        lambda vitals: _one(vitals.days_given_up),
    ),
    Gauge(
        "lumen_replicas",
        "Replicas of the newest revision of every frozen day by the verdict that stands.",
        ("destination", "verdict"),
        _replicas,
    ),
    Gauge(
        "lumen_retention_last_success_timestamp_seconds",
        "When retention was last carried out at a destination with nothing left to remove, in Unix time.",
        ("destination",),
        lambda vitals: _by_name({name: at.timestamp() for name, at in vitals.retention_done.items()}),
    ),
    Gauge(
        "lumen_drill_age_seconds",
        "Time since the last restore drill that succeeded.",
        (),
        lambda vitals: _one(vitals.drill_age_seconds),
    ),
    Gauge(
        "lumen_drilled_ratio",
        "Share of the good replicas that a restore drill brought back at some time.",
        ("destination",),
        lambda vitals: _by_name(vitals.drilled),
    ),
    Gauge(
        "lumen_outbox_depth",
        "Messages that wait for their channel.",
        ("channel",),
        lambda vitals: _by_name(vitals.outbox_depth),
    ),
    Gauge(
        "lumen_outbox_oldest_age_seconds",
        "How long the oldest message has waited for its channel.",
        ("channel",),
        lambda vitals: _by_name(vitals.outbox_oldest_age_seconds),
    ),
    Gauge("lumen_incidents_open", "Incidents that are not resolved.", ("severity",), _incidents),
    Gauge(
        "lumen_build_info",
        "Always 1; the label says which version runs.",
        ("version",),
        lambda vitals: iter([((vitals.version,), 1.0)]),
    ),
)
"""Every gauge of ours, in order of display. Days are called partitions: a linter of names takes *days* for a unit."""


class _Collector(Collector):
    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges that have a sample."""
        for gauge in GAUGES:
            family = GaugeMetricFamily(gauge.name, gauge.meaning, labels=gauge.labels)
            for labels, value in gauge.read(self._vitals):
                family.add_metric(labels, value)
            if family.samples:
                yield family


def exposition(vitals: Vitals) -> bytes:
    """The gauges in the Prometheus text format, version 0.0.4."""
    registry = CollectorRegistry()  # of its own: the default one has gauges of the Python process
    registry.register(_Collector(vitals))
    return generate_latest(registry)
