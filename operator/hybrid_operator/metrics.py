"""The operator's own metrics, in one registry, as the vocabulary declares them; whoever knows a value sets it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hybrid_api.metric_names import EXPORTED, Metric

REGISTRY = CollectorRegistry()
_DECLARED: Mapping[str, Metric] = {
    metric.name.removeprefix("hybriddiffusion_"): metric for metric in EXPORTED["operator"]
}


def _counter(name: str) -> Counter:
    metric = _DECLARED[name]
    return Counter(metric.name, metric.text, metric.labels, registry=REGISTRY)


def _gauge(name: str) -> Gauge:
    metric = _DECLARED[name]
    return Gauge(metric.name, metric.text, metric.labels, registry=REGISTRY)


def _histogram(name: str) -> Histogram:
    metric = _DECLARED[name]
    return Histogram(metric.name, metric.text, metric.labels, registry=REGISTRY, buckets=metric.buckets)


RECONCILES = _histogram("operator_reconcile_seconds")
RECONCILE_ERRORS = _counter("operator_reconcile_errors")
WAITING = _gauge("operator_queue_waiting")
IS_LEADER = _gauge("operator_is_leader")
WRITES = _counter("operator_writes")
MISSED = _counter("operator_missed_changes")
CONDITION = _gauge("condition")
ENGINES = _gauge("engines")
POD_SECONDS = _counter("pod_seconds")
BILLED_COST = _counter("billed_cost")
_STATUSES = ("True", "False", "Unknown")
_STOPPED = ("Suspended", "NoReplicas")
_OUTCOMES = ("built", "found")


@contextmanager
def timed_reconcile() -> Iterator[None]:
    """Book the time of one reconcile, whether it succeeds or not."""
    with RECONCILES.time():
        yield


def show_condition(resource: Mapping[str, Any], *, type_: str, status: str, reason: str) -> None:
    """Export a condition's status; of a service that was stopped on purpose not whether it answers."""
    metadata = resource["metadata"]
    if type_ == "Available" and reason in _STOPPED:
        CONDITION.remove_by_labels({"namespace": metadata["namespace"], "name": metadata["name"], "type": type_})
        return
    for each in _STATUSES:
        CONDITION.labels(metadata["namespace"], metadata["name"], type_, each).set(each == status)


def show_engines(resource: Mapping[str, Any], segments: Iterable[Mapping[str, Any]]) -> None:
    """Export what Jobs said they did: a line an engine, such as `unet 64x64: built, …`."""
    metadata = resource["metadata"]
    ENGINES.remove_by_labels(
        {"namespace": metadata["namespace"], "name": metadata["name"]}
    )  # of segments that are gone
    for segment in segments:
        lines = str(segment.get("engine") or "").splitlines()
        for each in _OUTCOMES if lines else ():
            found = sum(line.partition(": ")[2].startswith(each) for line in lines)
            ENGINES.labels(metadata["namespace"], metadata["name"], segment["name"], each).set(found)


def forget(*, namespace: str, name: str) -> None:
    """Export nothing more of a resource that is gone."""
    for metric in (CONDITION, ENGINES):
        metric.remove_by_labels({"namespace": namespace, "name": name})


def forget_bill(*, namespace: str, name: str) -> None:
    """Export no bill any more of a resource whose last pod is gone."""
    for metric in (POD_SECONDS, BILLED_COST):
        metric.remove_by_labels({"namespace": namespace, "name": name})


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
