"""All metrics of replicas, declared in one place; units are base units, labels bounded, ids never among them.

They go out through Ray, which puts `ray_` before the names (and the shipped scrape configuration takes it off). Outside
a Ray process they go nowhere, so that the same code runs in tests and tools.
"""

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

COUNTERS: Mapping[str, str] = {
    "hybriddiffusion_engine_busy_seconds": "Engine time booked to images, previews included.",
    "hybriddiffusion_engine_padding_seconds": "Engine time of rows that only filled a bucket.",
    "hybriddiffusion_engine_idle_seconds": "Time in which the engine loop had no work.",
    "hybriddiffusion_engine_host_seconds": "Time between engine calls while there was work.",
    "hybriddiffusion_engine_abandoned_seconds": "Booked engine time of images that were cancelled.",
    "hybriddiffusion_engine_calls": "Engine calls.",
    "hybriddiffusion_engine_rows": "Rows in engine calls, without padding.",
}
"""Of a denoiser replica; Serve's own labels name deployment and replica."""
OUTSTANDING = "hybriddiffusion_outstanding_work_seconds"
WAIT = "hybriddiffusion_predicted_wait_seconds"
GAUGES: Mapping[str, str] = {
    OUTSTANDING: "Profiled engine time of the work that is here.",
    WAIT: "Predicted wait of a guided image that came now.",
}
"""Of a denoiser replica, as of now."""
POLICY_FAILURES = (
    "hybriddiffusion_autoscaling_policy_failures",
    "Times that the scaling policy failed and held its last answer.",
)


class ReplicaMetrics:
    """Brings counters up to totals that the replica keeps itself."""

    def __init__(self) -> None:
        self._shown = dict.fromkeys(COUNTERS, 0.0)
        self._counters = {name: _metric("Counter", name, text) for name, text in COUNTERS.items()}
        self._gauges = {name: _metric("Gauge", name, text) for name, text in GAUGES.items()}

    def show(self, totals: Mapping[str, float], *, now: Mapping[str, float]) -> None:
        """Export `totals` (counters by name, since the replica's start) and what holds `now` (gauges by name)."""
        for name, counter in self._counters.items():
            increase = totals[name] - self._shown[name]
            if counter is not None and increase > 0:
                counter.inc(increase)
                self._shown[name] = totals[name]
        for name, gauge in self._gauges.items():
            if gauge is not None:
                gauge.set(now[name])


def count_policy_failure() -> None:
    """Count a failure of the scaling policy; called in Serve's controller."""
    counter = _policy_failures()
    if counter is not None:
        counter.inc()


@cache
def _policy_failures() -> Any:
    return _metric("Counter", *POLICY_FAILURES)


def _metric(kind: str, name: str, text: str) -> Any:
    """A metric of Ray Serve, or `None` outside a Ray process."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    from ray.serve import metrics  # noqa: PLC0415  (tools and tests run without it)

    return getattr(metrics, kind)(name, description=text)
