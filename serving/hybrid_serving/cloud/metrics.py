"""Exports metrics through Ray; what there is, is declared in `hybrid_api.metric_names` and nowhere else.

Ray puts `ray_` before the names, and the shipped scrape configuration takes it off. Outside a Ray process they go
nowhere, so that the same code runs in tests and tools.
"""

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

from hybrid_api import metric_names
from hybrid_api.metric_names import Metric


class Meter(Protocol):
    """Where measurements go."""

    def add(self, metric: Metric, amount: float, labels: Mapping[str, str]) -> None:
        """Add to a counter."""
        ...

    def show(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        """Set a gauge."""
        ...

    def observe(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        """Add one value to a histogram."""
        ...


class NoMeter:
    """Measures nothing."""

    def add(self, metric: Metric, amount: float, labels: Mapping[str, str]) -> None:
        """Do nothing."""

    def show(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        """Do nothing."""

    def observe(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        """Do nothing."""


class RayMeter:
    """Metrics of this process, made at their first use."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def add(self, metric: Metric, amount: float, labels: Mapping[str, str]) -> None:
        """Add to a counter; Ray refuses zero."""
        if amount > 0 and (counter := self._of(metric)) is not None:
            counter.inc(amount, tags=dict(labels))

    def show(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        """Set a gauge."""
        if (gauge := self._of(metric)) is not None:
            gauge.set(value, tags=dict(labels))

    def observe(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        """Add one value to a histogram."""
        if (histogram := self._of(metric)) is not None:
            histogram.observe(value, tags=dict(labels))

    def _of(self, metric: Metric) -> Any:
        if metric.name not in self._made:
            self._made[metric.name] = _made(metric)
        return self._made[metric.name]


class Totals:
    """Brings counters up to totals that somebody else keeps."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._shown: dict[tuple[str, tuple[str, ...]], float] = {}

    def reach(self, metric: Metric, total: float, labels: Mapping[str, str]) -> None:
        """Add what is missing to `total`."""
        key = (metric.name, tuple(labels.values()))
        increase = total - self._shown.get(key, 0.0)
        if increase > 0:
            self._meter.add(metric, increase, labels)
            self._shown[key] = total


def count_policy_failure() -> None:
    """Count a failure of the scaling policy; called in Serve's controller."""
    counter = _policy_failures()
    if counter is not None:
        counter.inc()


@cache
def _policy_failures() -> Any:
    return _made(metric_names.POLICY_FAILURES)


def _made(metric: Metric) -> Any:
    """A metric of Ray Serve, or `None` outside a Ray process."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    from ray.serve import metrics  # noqa: PLC0415  (tools and tests run without it)

    options: dict[str, Any] = {"description": metric.text, "tag_keys": metric.labels}
    if metric.kind == "histogram":
        return metrics.Histogram(metric.name, boundaries=list(metric.buckets), **options)
    return {"counter": metrics.Counter, "gauge": metrics.Gauge}[metric.kind](metric.name, **options)
