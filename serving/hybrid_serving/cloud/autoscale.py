"""How many replicas each segment needs: outstanding work at the profiled pace against the queue target.

`decide` is pure. `policy` is what Ray Serve's controller calls ten times a second; it must neither block nor raise, so
it catches everything, exports the failure, and holds the last answer. It imports no Ray.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hybrid_serving.cloud import metrics

logger = logging.getLogger(__name__)

INGRESS = "Ingress"
_OUTSTANDING = "outstanding_milliseconds"
_ACCEPTED = "accepted_rows"
_ROW = "row_milliseconds"
_TARGET = "queue_target_milliseconds"
_PROMISED = "promised_rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is known of one segment's work."""

    outstanding_milliseconds: float = 0.0
    """At its replicas, at the profiled pace."""
    expected_rows: float = 0.0
    """On their way: waiting to be dispatched, or still in a segment before."""
    requests: float = 0.0
    """Requests that Serve counts, in case nobody told more."""
    row_milliseconds: float = 0.0
    """Profiled time of a row; 0 while no replica has ever told."""
    queue_target_milliseconds: float = 0.0
    """Work that one replica may have before it; 0 while unknown."""


def decide(demand: Demand, *, current: int) -> int:
    """Replicas whose share of the work is at most the target; bounds and delays are Serve's."""
    milliseconds = demand.outstanding_milliseconds + demand.expected_rows * demand.row_milliseconds
    if milliseconds <= 0 and demand.expected_rows <= 0 and demand.requests <= 0:
        return 0
    if demand.queue_target_milliseconds <= 0:
        return max(1, current)
    return max(1, math.ceil(milliseconds / demand.queue_target_milliseconds))


def replica_statistics(
    *, outstanding_milliseconds: float, accepted_rows: float, row_milliseconds: float, queue_target_milliseconds: float
) -> dict[str, float]:
    """What a denoiser reports. `accepted_rows` are the step rows of all work that is here, done or not."""
    return {
        _OUTSTANDING: float(outstanding_milliseconds),
        _ACCEPTED: float(accepted_rows),
        _ROW: float(row_milliseconds),
        _TARGET: float(queue_target_milliseconds),
    }


def ingress_statistics(promised_rows: Mapping[str, int]) -> dict[str, float]:
    """What an ingress reports: by segment, the step rows of the unfinished stretches that it will do in the cloud.

    Those that no replica has accepted yet wait for dispatch or are still in a segment before: both are demand.
    """
    return {f"{_PROMISED}:{segment}": float(rows) for segment, rows in promised_rows.items()}


class Context(Protocol):
    """The part of Ray Serve's `AutoscalingContext` that is used."""

    deployment_name: str
    target_num_replicas: int
    capacity_adjusted_min_replicas: int
    policy_state: Mapping[str, Any]

    @property
    def aggregated_metrics(self) -> Mapping[str, Mapping[Any, float]] | None:
        """Statistics by name and replica."""
        ...

    @property
    def total_num_requests(self) -> float:
        """Requests that run or wait."""
        ...


Answer = tuple[dict[Any, int], dict[Any, dict[str, Any]]]
"""Replicas and remembered values, by deployment."""


def policy(contexts: Mapping[Any, Context]) -> Answer:
    """Ray Serve's application-level policy."""
    try:
        return _decide_all(contexts)
    except Exception:  # Serve's control loop is the outermost one, and would stop scaling in silence
        logger.exception("The scaling policy failed; the numbers of replicas are held.")
        metrics.count_policy_failure()
        held = {key: context.target_num_replicas for key, context in contexts.items()}
        return held, {key: dict(context.policy_state) for key, context in contexts.items()}


def _decide_all(contexts: Mapping[Any, Context]) -> Answer:
    promised = next((_told(each) for each in contexts.values() if each.deployment_name == INGRESS), {})
    counts, states = {}, {}
    for key, context in contexts.items():
        current, told = context.target_num_replicas, _told(context)
        states[key] = _remembered(context, told)
        demand = _demand(context, told, state=states[key], promised=promised)
        is_ingress = context.deployment_name == INGRESS
        # The ingress follows its bounds alone, so that one that is taken out of service can be sent home by them.
        counts[key] = context.capacity_adjusted_min_replicas if is_ingress else decide(demand, current=current)
    return counts, states


def _demand(
    context: Context,
    told: Mapping[str, list[float]],
    *,
    state: Mapping[str, float],
    promised: Mapping[str, list[float]],
) -> Demand:
    rows = sum(promised.get(f"{_PROMISED}:{context.deployment_name}", ()))
    return Demand(
        outstanding_milliseconds=sum(told.get(_OUTSTANDING, ())),
        expected_rows=max(0.0, rows - sum(told.get(_ACCEPTED, ()))),
        requests=context.total_num_requests,
        row_milliseconds=state.get(_ROW, 0.0),
        queue_target_milliseconds=state.get(_TARGET, 0.0),
    )


def _remembered(context: Context, told: Mapping[str, list[float]]) -> dict[str, float]:
    """What replicas said of themselves, kept while there are none."""
    remembered = {name: float(context.policy_state.get(name, 0.0)) for name in (_ROW, _TARGET)}
    return {name: max(told.get(name) or [value]) for name, value in remembered.items()}


def _told(context: Context) -> dict[str, list[float]]:
    """Statistics by name, one value a replica."""
    return {name: list(values.values()) for name, values in (context.aggregated_metrics or {}).items()}
