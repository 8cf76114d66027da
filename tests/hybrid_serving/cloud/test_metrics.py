"""Metrics go out through Ray where there is one, and nowhere else."""

from collections.abc import Mapping

from hybrid_api import metric_names
from hybrid_api.metric_names import EXPORTED, Metric
from hybrid_serving.cloud import metrics


class Sums:
    """A meter that adds up."""

    def __init__(self) -> None:
        self.total = 0.0

    def add(self, metric: Metric, amount: float, labels: Mapping[str, str]) -> None:
        self.total += amount

    show = observe = add


def test_outside_ray_nothing_happens() -> None:
    meter = metrics.RayMeter()
    for metric in (each for exported in EXPORTED.values() for each in exported):
        labels = dict.fromkeys(metric.labels, "x")
        tell = {"counter": meter.add, "gauge": meter.show, "histogram": meter.observe}[metric.kind]
        tell(metric, 1.0, labels)
    metrics.count_policy_failure()


def test_counters_follow_totals_and_never_fall() -> None:
    sums = Sums()
    totals = metrics.Totals(sums)
    for total in (1.0, 1.0, 2.5, 2.0):
        totals.reach(metric_names.REPEATS, total, {})
    assert sums.total == 2.5


def test_totals_keep_labels_apart() -> None:
    sums = Sums()
    totals = metrics.Totals(sums)
    for tenant in ("ada", "bob"):
        totals.reach(metric_names.EDGE_SECONDS, 3.0, {"tenant": tenant})
    assert sums.total == 6.0
