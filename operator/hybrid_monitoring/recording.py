"""Recording rules: what dashboards and alerts ask often, computed once.

Money by the hour comes from counters, so a gap in scraping flattens a curve and loses nothing that a counter kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from hybrid_api.budgets import BudgetWindow

_BY = "namespace, name"
_SEGMENT = f"{_BY}, segment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recording rule."""

    name: str
    expression: str
    text: str
    labels: Mapping[str, str] = field(default_factory=dict)


def _rate(metric: str, *, window: str, by: str = _BY, where: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{where}[{window}]))"


def _increase(metric: str, *, window: str, by: str = _BY, where: str = "") -> str:
    return f"sum by ({by}) (increase({metric}{where}[{window}]))"


def _either(one: str, other: str) -> str:
    """The sum of both, and `other` alone where there is nothing of `one`."""
    return f"(({one} + {other}) or {other})"


def _beside_workers(window: str) -> str:
    """What pods cost that no worker can book: head, ingress, builds, and workers' pods before and after they run."""
    all_pods = _increase("hybriddiffusion_billed_cost_total", window=window)
    workers = _increase("hybriddiffusion_billed_cost_total", window=window, where='{role="worker",phase="running"}')
    return f"({all_pods} - ({workers} or 0 * {all_pods}))"


def _budget_used(window: str) -> str:
    """Of tenants what they used, of a whole service what it cost; in shares of what may be spent."""
    used = _increase("hybriddiffusion_cost_total", window=window, by=f"{_BY}, tenant")
    booked = _either(
        _increase("hybriddiffusion_cost_total", window=window),
        _increase("hybriddiffusion_overhead_cost_total", window=window),
    )
    beside = _beside_workers(window)
    whole = f"(({beside} + {booked}) or {beside} or {booked})"
    tenants = f'max by ({_BY}, tenant) (hybriddiffusion_budget{{window="{window}",tenant!=""}} > 0)'
    service = f'max by ({_BY}) (hybriddiffusion_budget{{window="{window}",tenant=""}} > 0)'
    return f"({used} / {tenants}) or ({whole} / {service})"


def _quantile(metric: str, *, by: str) -> str:
    return f"histogram_quantile(0.95, {_rate(f'{metric}_bucket', window='5m', by=f'{by}, le')})"


_USED, _IMAGES = _rate("hybriddiffusion_cost_total", window="1h"), _rate("hybriddiffusion_images_total", window="1h")
_OVERHEAD = _rate("hybriddiffusion_overhead_cost_total", window="1h")
_IDLE = _rate("hybriddiffusion_overhead_cost_total", window="1h", where='{kind="idle"}')
_STEP_COST = _rate("hybriddiffusion_cost_total", window="1h", by=_SEGMENT, where='{kind="step"}')
_STEP_ROWS = _rate("hybriddiffusion_engine_rows_total", window="5m", by=_SEGMENT, where='{kind="step"}')
_ALL_ROWS = _rate("hybriddiffusion_engine_rows_total", window="5m", by=_SEGMENT, where='{kind=~"step|padding"}')
_USED_NOW = _rate("hybriddiffusion_cost_total", window="5m", by=f"{_SEGMENT}, tenant, tier, kind")
_OVERHEAD_NOW = _rate("hybriddiffusion_overhead_cost_total", window="5m", by=f"{_SEGMENT}, tier, kind")
_BOOKED = _either(
    _increase("hybriddiffusion_cost_total", window="6h", where='{kind!="egress"}'),
    _increase("hybriddiffusion_overhead_cost_total", window="6h"),
)
_MISSES = _rate("hybriddiffusion_deadline_misses_total", window="15m")
_FINISHED = _rate("hybriddiffusion_images_total", window="15m")
_WORKERS = "by (namespace, name, segment)"
_BILLED = _increase("hybriddiffusion_billed_cost_total", window="6h", where='{role="worker",phase="running"}')

RECORDINGS = (
    Recording(
        name="hybriddiffusion:used_cost:hourly",
        expression=f"3600 * {_USED_NOW}",
        text="Money that requests use, an hour, over the last five minutes.",
    ),
    Recording(
        name="hybriddiffusion:overhead_cost:hourly",
        expression=f"3600 * {_OVERHEAD_NOW}",
        text="Money that is nobody's, an hour, over the last five minutes.",
    ),
    Recording(
        name="hybriddiffusion_cost_per_thousand_images",
        expression=f"1000 * {_USED} / ({_IMAGES} > 0)",
        labels={"cost_basis": "usage"},
        text="What a thousand pictures used, over the last hour.",
    ),
    Recording(
        name="hybriddiffusion_cost_per_thousand_images",
        expression=f"1000 * ({_USED} + {_OVERHEAD}) / ({_IMAGES} > 0)",
        labels={"cost_basis": "allocation"},
        text="The same with everything that workers cost meanwhile, idle time included.",
    ),
    Recording(
        name="hybriddiffusion_cost_per_million_steps",
        expression=(
            f"1000000 * {_STEP_COST} / ({_rate('hybriddiffusion_steps_total', window='1h', by=f'{_BY}, segment')} > 0)"
        ),
        labels={"cost_basis": "usage"},
        text="What a million rows of steps used in a segment, over the last hour.",
    ),
    Recording(
        name="hybriddiffusion_offload_savings_fraction",
        expression=(
            f"1 - {_rate('hybriddiffusion_compared_cost_total', window='1h')}"
            f" / ({_rate('hybriddiffusion_all_cloud_cost_total', window='1h')} > 0)"
        ),
        text="Share of the all-cloud cost that finished pictures avoided, over the last hour; below 0 they cost more.",
    ),
    Recording(
        name="hybriddiffusion:idle_cost:ratio1h",
        expression=(f"{_IDLE} / (({_USED} + {_OVERHEAD} > 0) or ({_OVERHEAD} > 0))"),
        text="Share of the workers' cost in which they waited for work, over the last hour.",
    ),
    Recording(
        name="hybriddiffusion:billed_cost:hourly",
        expression=f"3600 * {_rate('hybriddiffusion_billed_cost_total', window='5m', by=f'{_BY}, role')}",
        text="What pods cost an hour by what they request, over the last five minutes; measured by the operator.",
    ),
    Recording(
        name="hybriddiffusion:unattributed_cost:ratio6h",
        expression=f"1 - {_BOOKED} / ({_BILLED} > 0)",
        text="Share of what running worker pods cost that no worker booked, over six hours; below 0 they booked more.",
    ),
    *(
        Recording(
            name="hybriddiffusion:budget_used:ratio",
            expression=_budget_used(window),
            labels={"window": window},
            text="Share of a budget that is spent; without a tenant it is the whole service's.",
        )
        for window in get_args(BudgetWindow)
    ),
    Recording(
        name="hybriddiffusion:batch_occupancy:ratio5m",
        expression=(f"{_STEP_ROWS} / ({_ALL_ROWS} > 0)"),
        text="Share of the rows of step calls that were somebody's.",
    ),
    Recording(
        name="hybriddiffusion:queue_wait_seconds:p95_5m",
        expression=_quantile("hybriddiffusion_queue_wait_seconds", by=f"{_BY}, segment"),
        text="Wait for the first engine call that 95 % of the work stay below.",
    ),
    Recording(
        name="hybriddiffusion:request_seconds:p95_5m",
        expression=_quantile("hybriddiffusion_request_seconds", by=f"{_BY}, path"),
        text="Time to the last byte that 95 % of the answers stay below.",
    ),
    Recording(
        name="hybriddiffusion:deadline_misses:ratio15m",
        expression=(
            f"({_MISSES} or 0 * {_FINISHED})"
            # Where more were missed than finished, most were never finished; where none was, no series says 0.
            f" / ((({_FINISHED} >= {_MISSES}) or {_MISSES} or {_FINISHED}) > 0)"
        ),
        text="Pictures that were not there by their deadline, as a share of all.",
    ),
    Recording(
        name="hybriddiffusion:workers:count",
        expression=(
            f"count {_WORKERS} (hybriddiffusion_is_priced)"
            f" or 0 * count {_WORKERS} (last_over_time(hybriddiffusion_is_priced[1h]))"
        ),
        text="Workers that run; 0 for an hour after the last.",
    ),
)
