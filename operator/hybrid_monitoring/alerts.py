"""Alerts: few, about what somebody would complain of, each with a page that says what to look at and what to do."""

from dataclasses import dataclass
from typing import Literal

RUNBOOKS = "https://github.com/hybriddiffusion/hybrid-diffusion/blob/main/docs/runbooks"
Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alerting rule."""

    name: str
    expression: str
    lasting: str
    """How long it must hold before somebody is told."""
    severity: Severity
    summary: str
    description: str
    """With `{{ $labels.name }}` and `{{ $value }}`."""

    @property
    def runbook(self) -> str:
        """Name of its page, without ending."""
        words = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in self.name)
        return words.removeprefix("-hybrid-diffusion-")

    @property
    def runbook_url(self) -> str:
        """Where its page is."""
        return f"{RUNBOOKS}/{self.runbook}.md"


_LEADER = "sum(hybriddiffusion_operator_is_leader) > 0"
_WORK = 'path=~"/v1/(images|handoffs).*"'
_SAVED_BEFORE = "avg_over_time(hybriddiffusion_offload_savings_fraction[1d] offset 1h)"
_WHO = "{{ $labels.namespace }}/{{ $labels.name }}"

ALERTS = (
    Alert(
        name="HybridDiffusionNotAvailable",
        expression='hybriddiffusion_condition{type="Available",status="True"} == 0',
        lasting="5m",
        severity="critical",
        summary=f"{_WHO} does not answer",
        description="The resource's Available condition has not been True for five minutes: clients get no pictures.",
    ),
    Alert(
        name="HybridDiffusionReconcileStale",
        expression=(
            # A leader that does nothing, though there are resources.
            "((sum(increase(hybriddiffusion_operator_reconcile_seconds_count[20m])) or vector(0)) == 0"
            f" and on () {_LEADER} and on () count(hybriddiffusion_condition) > 0)"
            # No leader: conditions are a leader's, so only the past tells that there are resources.
            f" or (count(last_over_time(hybriddiffusion_condition[2d])) unless on () {_LEADER})"
        ),
        lasting="10m",
        severity="warning",
        summary="The operator reconciles nothing",
        description="Nobody leads, or for twenty minutes no reconcile has ended. Services go on, and changes are not "
        "applied.",
    ),
    Alert(
        name="HybridDiffusionEngineBuildFailing",
        expression='hybriddiffusion_condition{type="EnginesReady",status="False"} == 1',
        lasting="30m",
        severity="warning",
        summary=f"Engines of {_WHO} are not built",
        description="EnginesReady has been False for half an hour: a new revision waits, or was given up.",
    ),
    Alert(
        name="HybridDiffusionRequestsFailing",
        expression=(
            f'sum by (namespace, name) (rate(hybriddiffusion_requests_total{{{_WORK},status=~"5.."}}[15m]))'
            f" / (sum by (namespace, name) (rate(hybriddiffusion_requests_total{{{_WORK}}}[15m])) > 0) > 0.05"
        ),
        lasting="10m",
        severity="critical",
        summary=f"{_WHO} fails requests",
        description="{{ $value | humanizePercentage }} of the requests for pictures end with a status of 500 or above.",
    ),
    Alert(
        name="HybridDiffusionDeadlineMisses",
        expression="hybriddiffusion:deadline_misses:ratio15m > 0.05",
        lasting="10m",
        severity="warning",
        summary=f"{_WHO} misses deadlines",
        description="{{ $value | humanizePercentage }} of the pictures were not there by their deadline.",
    ),
    Alert(
        name="HybridDiffusionSavingCollapsed",
        expression=(f"hybriddiffusion_offload_savings_fraction < 0.5 * {_SAVED_BEFORE} and {_SAVED_BEFORE} > 0.05"),
        lasting="30m",
        severity="warning",
        summary=f"{_WHO} saves much less than yesterday",
        description="The split saves {{ $value | humanizePercentage }} of the all-cloud cost, less than half of what "
        "it saved over the day before.",
    ),
    Alert(
        name="HybridDiffusionIdleGpuMoney",
        expression=(
            "hybriddiffusion:idle_cost:ratio1h > 0.8 and on (namespace, name)"
            ' sum by (namespace, name) (hybriddiffusion_hourly_cost{resource="gpu"}) > 0'
        ),
        lasting="2h",
        severity="warning",
        summary=f"GPUs of {_WHO} idle",
        description="{{ $value | humanizePercentage }} of the workers' money goes into waiting, for two hours.",
    ),
    Alert(
        name="HybridDiffusionBudgetBurn",
        expression="hybriddiffusion:budget_used:ratio > 0.9",
        lasting="5m",
        severity="warning",
        summary=f"{_WHO} has nearly spent a budget",
        description="{{ $value | humanizePercentage }} of the budget for {{ $labels.window }}"
        "{{ with $labels.tenant }} of tenant {{ . }}{{ end }} is spent. Requests go on being answered.",
    ),
    Alert(
        name="HybridDiffusionUnattributed",
        expression="abs(hybriddiffusion:unattributed_cost:ratio6h) > 0.02",
        lasting="1h",
        severity="warning",
        summary=f"The books of {_WHO} do not come to its bill",
        description="{{ $value | humanizePercentage }} of what running worker pods cost lies between the operator's "
        "bill and what workers booked, over six hours.",
    ),
    Alert(
        name="HybridDiffusionScaleFlapping",
        expression="changes(hybriddiffusion:workers:count[1h]) > 12",
        lasting="10m",
        severity="warning",
        summary=f"Workers of {_WHO} come and go",
        description="The number of workers of segment {{ $labels.segment }} changed {{ $value }} times in "
        "an hour; each start costs and gives nothing.",
    ),
    Alert(
        name="HybridDiffusionUnpriced",
        expression="min by (namespace, name, segment) (hybriddiffusion_is_priced) == 0",
        lasting="30m",
        severity="info",
        summary=f"Workers of {_WHO} have no price",
        description="The price list lacks a price for segment {{ $labels.segment }}: time is booked, money is not.",
    ),
    Alert(
        name="HybridDiffusionLedgerBehind",
        expression="max by (namespace, name) (hybriddiffusion_ledger_behind_seconds) > 600",
        lasting="10m",
        severity="warning",
        summary=f"The ledger of {_WHO} cannot be written",
        description="{{ $value | humanizeDuration }} of history are in no ledger yet, and lost should a process end.",
    ),
)
