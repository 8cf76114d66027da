"""Every metric of the product: name, meaning, labels, and which process exports it. Declarations only.

Both planes export from here, dashboards and rules name from here, `docs/metrics.md` is generated from here. Base
units; counters end in `_total` once they are exported; labels are bounded, a request or user id is never one.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
Exporter = Literal["worker", "ingress", "autoscaler", "operator"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_START_SECONDS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    """As it is declared; a counter is exported as `exported_name`."""
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds; only of a histogram."""

    @property
    def exported_name(self) -> str:
        """As Prometheus sees it, after the shipped scrape configuration took Ray's prefix off."""
        return f"{self.name}_total" if self.kind == "counter" else self.name

    @property
    def series_names(self) -> tuple[str, ...]:
        """The names of its series."""
        if self.kind != "histogram":
            return (self.exported_name,)
        return tuple(f"{self.name}_{end}" for end in ("bucket", "sum", "count"))


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"hybriddiffusion_{name}", "counter", text, labels)


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"hybriddiffusion_{name}", "gauge", text, labels)


def _histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...]) -> Metric:
    return Metric(f"hybriddiffusion_{name}", "histogram", text, labels, buckets)


COST = _counter(
    "cost",
    "Money that requests used, by kind: encode, step, decode and preview by engine time, egress by bytes. "
    "What was cancelled or failed is in it. `cost_basis` is always `usage`.",
    "tenant",
    "segment",
    "tier",
    "kind",
    "cost_basis",
)
OVERHEAD_COST = _counter(
    "overhead_cost",
    "Money that workers cost while they did nobody's work, by kind: padding, host, startup, idle. With the cost of "
    "requests it adds up to what the workers cost. `cost_basis` is always `allocation`.",
    "segment",
    "tier",
    "kind",
    "cost_basis",
)
HOURLY_COST = _gauge(
    "hourly_cost",
    "What a worker costs an hour at the prices of now, by resource: cpu, memory, gpu. `cost_basis` is always "
    "`allocation`.",
    "segment",
    "tier",
    "resource",
    "cost_basis",
)
PRICE_INFO = _gauge("price_info", "1, with the currency of all money beside it.", "currency")
IS_PRICED = _gauge("is_priced", "1 where the price list has a price for the worker, else 0.", "segment")
ENGINE_SECONDS = _counter(
    "engine_seconds", "Engine time booked to images, finished or not.", "tenant", "segment", "kind"
)
VAIN_SECONDS = _counter(
    "engine_vain_seconds",
    "The part of the booked engine time whose images were cancelled or failed, by why.",
    "tenant",
    "segment",
    "reason",
)
OVERHEAD_SECONDS = _counter(
    "overhead_seconds", "Workers' time that is nobody's, by kind: padding, host, startup, idle.", "segment", "kind"
)
STEPS = _counter(
    "steps", "Rows of denoising steps run in the cloud; guidance makes two of a step.", "tenant", "segment"
)
ENGINE_CALLS = _counter("engine_calls", "Engine calls, by kind.", "segment", "kind")
ENGINE_ROWS = _counter(
    "engine_rows", "Rows in engine calls, by kind; `padding` only filled a bucket.", "segment", "kind"
)
STEP_SECONDS = _histogram(
    "step_seconds", "Engine calls that run a step for everybody in them.", "segment", buckets=_CALL_SECONDS
)
QUEUE_WAIT = _histogram(
    "queue_wait_seconds",
    "From a piece of work's arrival at a worker to its first engine call.",
    "segment",
    buckets=_SECONDS,
)
COLD_STARTS = _histogram(
    "cold_start_seconds", "From the start of a worker's process until it takes work.", "segment", buckets=_START_SECONDS
)
PROMPT_CACHE = _counter(
    "prompt_cache_requests", "Texts looked up among the encoded ones, by outcome: hit, miss.", "segment", "outcome"
)
OUTSTANDING = _gauge("outstanding_work_seconds", "Profiled engine time of the work that is here.", "segment")
WAIT = _gauge("predicted_wait_seconds", "Predicted wait of a guided image that came now.", "segment")
LEDGER_BEHIND = _gauge(
    "ledger_behind_seconds", "How much of this process's past no ledger has yet, because it could not be written."
)
LEDGER_FAILURES = _counter("ledger_failures", "Writes to the ledger that failed; they are repeated.")

BUDGET = _gauge(
    "budget",
    "Money that may be spent within the window; of the whole service where there is no tenant.",
    "tenant",
    "window",
)
REQUESTS = _counter("requests", "Answers, by the route's path and by status.", "path", "status")
REQUEST_SECONDS = _histogram(
    "request_seconds", "From a request's arrival to the last byte of its answer.", "path", buckets=_SECONDS
)
IMAGES = _counter("images", "Finished pictures, by the tier that finished them: cloud, edge.", "tenant", "tier")
ALL_CLOUD_COST = _counter(
    "all_cloud_cost", "What finished pictures would have cost with every step on the first segment.", "tenant"
)
COMPARED_COST = _counter("compared_cost", "What the same pictures did cost.", "tenant")
EGRESS_BYTES = _counter("egress_bytes", "Bytes of pictures and handoffs sent.", "tenant")
EDGE_SECONDS = _counter("edge_seconds", "Computing time that devices report.", "tenant")
REPEATS = _counter("repeats", "Stretches repeated because a worker died under them.")
HANDOFFS = _counter(
    "handoffs",
    "Handoffs by outcome: issued, finished (a device did), returned (the cloud finished), refused.",
    "outcome",
)
DEADLINE_MISSES = _counter("deadline_misses", "Pictures that were later than their deadline, or never.", "tenant")
FIRST_PREVIEW = _histogram("first_preview_seconds", "From a request's arrival to its first preview.", buckets=_SECONDS)

POLICY_FAILURES = _counter(
    "autoscaling_policy_failures", "Times that the scaling policy failed and held its last answer."
)

_POD = ("namespace", "name", "role", "segment", "phase")
LEDGER = (LEDGER_BEHIND, LEDGER_FAILURES)
EXPORTED: dict[Exporter, tuple[Metric, ...]] = {
    "worker": (
        *(COST, OVERHEAD_COST, HOURLY_COST, IS_PRICED, ENGINE_SECONDS, VAIN_SECONDS, OVERHEAD_SECONDS, STEPS),
        *(ENGINE_CALLS, ENGINE_ROWS, STEP_SECONDS, QUEUE_WAIT, COLD_STARTS, PROMPT_CACHE, OUTSTANDING, WAIT, *LEDGER),
    ),
    "ingress": (
        *(COST, PRICE_INFO, BUDGET, REQUESTS, REQUEST_SECONDS, IMAGES, ALL_CLOUD_COST, COMPARED_COST, EGRESS_BYTES),
        *(EDGE_SECONDS, REPEATS, HANDOFFS, DEADLINE_MISSES, FIRST_PREVIEW, *LEDGER),
    ),
    "autoscaler": (POLICY_FAILURES,),
    "operator": (
        _histogram(
            "operator_reconcile_seconds",
            "How long one reconcile took.",
            buckets=(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
        ),
        _counter("operator_reconcile_errors", "Reconciles that ended with an error, by its class.", "error"),
        _gauge("operator_queue_waiting", "Resources that are due and not worked on."),
        _gauge("operator_is_leader", "1 in the process that reconciles."),
        _counter("operator_writes", "Writes to the API server, by kind and verb.", "kind", "verb"),
        _counter("operator_missed_changes", "Changes that a resync found and the watch had not told.", "kind"),
        _gauge(
            "engines",
            "Engines that a resource's Jobs saw to, by outcome: built, or found in the cache.",
            "namespace",
            "name",
            "segment",
            "outcome",
        ),
        _counter(
            "pod_seconds",
            "How long pods were there, by role (head, ingress, engines, worker) and phase: starting until all "
            "containers run, ending once they were told to go.",
            *_POD,
        ),
        _counter(
            "billed_cost",
            "Money that pods cost by what they request, measured by the operator and not by workers. `cost_basis` is "
            "always `allocation`.",
            *_POD,
            "cost_basis",
        ),
        _gauge(
            "condition",
            "1 for the status that a resource's condition has, else 0.",
            "namespace",
            "name",
            "type",
            "status",
        ),
    ),
}
"""By the process that exports it; labels that Ray Serve and Prometheus add are not listed."""


def by_series() -> dict[str, Metric]:
    """The metric behind every name that a query may use."""
    found = (metric for metrics in EXPORTED.values() for metric in metrics)
    return {series: metric for metric in found for series in metric.series_names}
