import pytest

from hybrid_serving.cloud import metrics
from hybrid_serving.cloud.books import Books
from hybrid_serving.cloud.clocks import Clocks


class Recorder:
    """A counter or gauge that remembers."""

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float) -> None:
        self.value += amount

    def set(self, value: float) -> None:
        self.value = value


def test_outside_ray_nothing_happens() -> None:
    shown = metrics.ReplicaMetrics()
    shown.show(dict.fromkeys(metrics.COUNTERS, 1.0), now=dict.fromkeys(metrics.GAUGES, 1.0))
    metrics.count_policy_failure()


def test_counters_follow_the_totals(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Recorder] = {}
    monkeypatch.setattr(metrics, "_metric", lambda kind, name, text: made.setdefault(name, Recorder()))
    shown = metrics.ReplicaMetrics()
    for total in (1.0, 1.0, 2.5):
        shown.show(dict.fromkeys(metrics.COUNTERS, total), now=dict.fromkeys(metrics.GAUGES, total))
    assert {recorder.value for recorder in made.values()} == {2.5}


def test_the_clocks_tell_every_counter() -> None:
    clocks = Clocks(total_nanoseconds=10**9, idle_nanoseconds=4 * 10**8, books=Books(busy_nanoseconds=5 * 10**8))
    assert set(clocks.totals()) == set(metrics.COUNTERS)
    assert clocks.totals()["hybriddiffusion_engine_host_seconds"] == pytest.approx(0.1)
