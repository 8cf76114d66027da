"""The operator's own metrics, in one registry. Declarations only; whoever knows a value sets it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()

RECONCILES = Histogram(
    "hybriddiffusion_operator_reconcile_seconds",
    "How long one reconcile took.",
    buckets=(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
    registry=REGISTRY,
)
RECONCILE_ERRORS = Counter(
    "hybriddiffusion_operator_reconcile_errors",
    "Reconciles that ended with an error, by its class.",
    labelnames=("error",),
    registry=REGISTRY,
)
WAITING = Gauge(
    "hybriddiffusion_operator_queue_waiting", "Resources that are due and not worked on.", registry=REGISTRY
)
IS_LEADER = Gauge("hybriddiffusion_operator_is_leader", "1 in the process that reconciles.", registry=REGISTRY)
WRITES = Counter(
    "hybriddiffusion_operator_writes",
    "Writes to the API server, by kind and verb.",
    labelnames=("kind", "verb"),
    registry=REGISTRY,
)
MISSED = Counter(
    "hybriddiffusion_operator_missed_changes",
    "Changes that a resync found and the watch had not told.",
    labelnames=("kind",),
    registry=REGISTRY,
)
CONDITION = Gauge(
    "hybriddiffusion_condition",
    "1 for the status that a resource's condition has, else 0.",
    labelnames=("namespace", "name", "type", "status"),
    registry=REGISTRY,
)
_STATUSES = ("True", "False", "Unknown")


@contextmanager
def timed_reconcile() -> Iterator[None]:
    """Book the time of one reconcile, whether it succeeds or not."""
    with RECONCILES.time():
        yield


def show_condition(resource: Mapping[str, Any], *, type_: str, status: str) -> None:
    """Export a condition's status."""
    metadata = resource["metadata"]
    for each in _STATUSES:
        CONDITION.labels(metadata["namespace"], metadata["name"], type_, each).set(each == status)


def forget(*, namespace: str, name: str) -> None:
    """Export nothing more of a resource that is gone."""
    CONDITION.remove_by_labels({"namespace": namespace, "name": name})


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
