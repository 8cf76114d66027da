"""The dashboard *Cost*: what it cost, who used it, what the split saved, what idled. Declarations only."""

from hybrid_monitoring.panels import Board, Panel, Row
from hybrid_monitoring.queries import SELECTED, Query

_USED = f"hybriddiffusion_cost_total{{{SELECTED}}}"
_ENGINE = f'hybriddiffusion_cost_total{{{SELECTED},kind!="egress"}}'
_EGRESS = f'hybriddiffusion_cost_total{{{SELECTED},kind="egress"}}'
_OVERHEAD = f"hybriddiffusion_overhead_cost_total{{{SELECTED}}}"
_VAIN = f"hybriddiffusion_engine_vain_seconds_total{{{SELECTED}}}"
_EDGE = f"hybriddiffusion_edge_seconds_total{{{SELECTED}}}"
_UNPRICED = f"hybriddiffusion_is_priced{{{SELECTED}}} == 0"
_WAITING = f'hybriddiffusion_overhead_cost_total{{{SELECTED},kind="idle"}}'
_BILLED = f"hybriddiffusion_billed_cost_total{{{SELECTED}}}"
_PODS = f'hybriddiffusion_pod_seconds_total{{{SELECTED},role="worker"}}'
_COMPARED = f"hybriddiffusion_compared_cost_total{{{SELECTED}}}"
_ALL_CLOUD = f"hybriddiffusion_all_cloud_cost_total{{{SELECTED}}}"


def _sum(metric: str, by: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (increase({metric}[$__range]))"


TOTAL = Panel(
    title="Cost of the whole range",
    description="What requests used and what workers cost while they did nobody's work, together. It differs from the "
    "workers' bill by what is unattributed; the ledger (`hybrid cost`) has the exact sum. Head, ingress and builds are "
    "in the pods' bill.",
    unit="money",
    shape="number",
    queries=(Query(f"{_sum(_USED)} + {_sum(_OVERHEAD)}", "cost"),),
    width=6,
)
SAVED = Panel(
    title="Saved by the split",
    description="1 - what finished pictures cost / what they would have cost with every step on the first segment. "
    "Fallbacks and what was sent are in it.",
    unit="percent",
    shape="number",
    queries=(Query(f"1 - {_sum(_COMPARED)} / {_sum(_ALL_CLOUD)}", "saved"),),
    width=6,
    good_above=0.0,
)
SAVED_MONEY = Panel(
    title="Saved money",
    description="What the same pictures would have cost with every step on the first segment, less what they did cost.",
    unit="money",
    shape="number",
    queries=(Query(f"{_sum(_ALL_CLOUD)} - {_sum(_COMPARED)}", "saved"),),
    width=6,
)
IDLE = Panel(
    title="Idle",
    description="Share of the workers' cost in which they waited for work. High at night is a matter of scaling to "
    "zero, high at noon of too many workers.",
    unit="percent",
    shape="number",
    queries=(
        Query(
            f"{_sum(_WAITING)} / ({_sum(_USED)} + {_sum(_OVERHEAD)})",
            "idle",
        ),
    ),
    width=6,
    bad_above=0.8,
)
BY_TENANT = Panel(
    title="Used, by tenant",
    description="What each API key's requests used, cancelled and failed ones included.",
    unit="money",
    shape="bars",
    queries=(Query(_sum(_USED, "tenant"), "{{tenant}}"),),
)
BY_MODEL = Panel(
    title="Used, by model",
    description="What ran on each segment's network, and what was sent.",
    unit="money",
    shape="bars",
    queries=(
        Query(_sum(_ENGINE, "segment"), "{{segment}}"),
        Query(_sum(_EGRESS), "sent bytes"),
    ),
)
BY_KIND = Panel(
    title="Where the money went",
    description="Everything that the workers cost, by what they did: work of requests, and time that was nobody's.",
    unit="money",
    shape="bars",
    queries=(Query(_sum(_USED, "kind"), "{{kind}}"), Query(_sum(_OVERHEAD, "kind"), "{{kind}}")),
)
COURSE = Panel(
    title="Cost an hour",
    description="The course of what workers cost, by what they did. The upper edge is what you pay for them.",
    unit="money per hour",
    shape="areas",
    queries=(
        Query(f"3600 * sum(rate({_ENGINE}[$__rate_interval]))", "used"),
        Query(f"3600 * sum by (kind) (rate({_OVERHEAD}[$__rate_interval]))", "{{kind}}"),
    ),
    width=16,
)
RATE = Panel(
    title="Rate of the running workers",
    description="What the workers that run now cost an hour, by resource, whatever they do.",
    unit="money per hour",
    shape="lines",
    queries=(Query(f"sum by (resource) (hybriddiffusion_hourly_cost{{{SELECTED}}})", "{{resource}}"),),
)
COMPARISON = Panel(
    title="With the split, and without",
    description="What finished pictures did cost, beside what they would have cost with every step on the first "
    "segment, at the pace that was measured on these very pictures.",
    unit="money",
    shape="bars",
    queries=(Query(_sum(_COMPARED), "did cost"), Query(_sum(_ALL_CLOUD), "all in the cloud")),
)
PICTURES = Panel(
    title="Pictures, by where they were finished",
    description="The edge tier is the users' devices; their time is free here.",
    unit="count",
    shape="bars",
    queries=(Query(_sum(f"hybriddiffusion_images_total{{{SELECTED}}}", "tier"), "{{tier}}"),),
)
CURRENCY = Query(f"count by (currency) (hybriddiffusion_price_info{{{SELECTED}}})", "{{currency}}")
BOARD = Board(
    uid="hybriddiffusion-cost",
    title="Hybrid Diffusion / Cost",
    description="What each model, tier and tenant costs, what the split saves and what idles.",
    rows=(
        Row(title="At a glance", panels=(TOTAL, SAVED, SAVED_MONEY, IDLE)),
        Row(title="Over time", panels=(COURSE, RATE)),
        Row(title="Who and what", panels=(BY_TENANT, BY_MODEL, BY_KIND)),
        Row(
            title="The split",
            panels=(
                COMPARISON,
                PICTURES,
                Panel(
                    title="Saved, over time",
                    description="Share of the all-cloud cost avoided, over the hour before each point.",
                    unit="percent",
                    shape="lines",
                    queries=(Query(f"hybriddiffusion_offload_savings_fraction{{{SELECTED}}}", "{{name}}"),),
                ),
                Panel(
                    title="A thousand pictures",
                    description="What a thousand pictures cost over the hour before each point: what they used, and "
                    "with everything that workers cost meanwhile.",
                    unit="money",
                    shape="lines",
                    queries=(
                        Query(f"hybriddiffusion_cost_per_thousand_images{{{SELECTED}}}", "{{name}} {{cost_basis}}"),
                    ),
                ),
                Panel(
                    title="A million rows of steps",
                    description="What a million rows of denoising steps cost on each segment.",
                    unit="money",
                    shape="lines",
                    queries=(Query(f"hybriddiffusion_cost_per_million_steps{{{SELECTED}}}", "{{segment}}"),),
                ),
                Panel(
                    title="Computed on devices",
                    description="Computing time that devices report, for every second.",
                    unit="none",
                    shape="lines",
                    queries=(
                        Query(
                            f"sum by (tenant) (rate({_EDGE}[$__rate_interval]))",
                            "{{tenant}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            title="Budgets, and the bill of a cluster",
            panels=(
                Panel(
                    title="Budgets spent",
                    description="Share of each budget that is spent in its window, which ends at each point. Without a "
                    "tenant it is the whole service's, idle time included. Nobody is refused for it.",
                    unit="percent",
                    shape="lines",
                    queries=(
                        Query(f"hybriddiffusion:budget_used:ratio{{{SELECTED}}}", "{{name}} {{tenant}} {{window}}"),
                    ),
                    bad_above=0.9,
                ),
                Panel(
                    title="The bill, by what pods are for",
                    description="What pods cost by what they request, measured by the operator from outside: workers, "
                    "and what is shared: head, ingress, and builds of engines. Nothing on one machine, where "
                    "`hybrid cost` has the bill.",
                    unit="money",
                    shape="bars",
                    queries=(Query(_sum(_BILLED, "role"), "{{role}}"),),
                ),
                Panel(
                    title="Pods' time, by phase",
                    description="How long pods of workers were there: starting until their containers run, and ending "
                    "once they were told to go. No worker can book these two.",
                    unit="seconds",
                    shape="bars",
                    queries=(Query(_sum(_PODS, "phase"), "{{phase}}"),),
                ),
                Panel(
                    title="Unattributed",
                    description="Share of what running worker pods cost that no worker booked, over the six hours "
                    "before each point; below 0 they booked more than was billed.",
                    unit="percent",
                    shape="lines",
                    queries=(Query(f"hybriddiffusion:unattributed_cost:ratio6h{{{SELECTED}}}", "{{name}}"),),
                    bad_above=0.02,
                ),
            ),
        ),
        Row(
            title="In vain, and out of the books",
            panels=(
                Panel(
                    title="Work in vain",
                    description="Engine time of pictures that were cancelled or failed; it is booked to its tenant.",
                    unit="seconds",
                    shape="bars",
                    queries=(
                        Query(
                            f"{_sum(_VAIN, 'reason')} or vector(0)",
                            "{{reason}}",
                        ),
                    ),
                ),
                Panel(
                    title="Ledger behind",
                    description="How much of a process's past is in no ledger yet. Serving goes on meanwhile; what is "
                    "not written when a process ends is lost to the history.",
                    unit="seconds",
                    shape="lines",
                    queries=(
                        Query(
                            f"max by (deployment) (hybriddiffusion_ledger_behind_seconds{{{SELECTED}}})",
                            "{{deployment}}",
                        ),
                        Query(
                            f"sum(increase(hybriddiffusion_ledger_failures_total{{{SELECTED}}}[$__rate_interval]))"
                            " or vector(0)",
                            "failed writes",
                        ),
                    ),
                ),
                Panel(
                    title="Currency and prices",
                    description="The currency of all money here, and how many workers have no price.",
                    unit="none",
                    shape="number",
                    queries=(
                        CURRENCY,
                        Query(
                            f"count({_UNPRICED}) or vector(0)",
                            "workers without a price",
                        ),
                    ),
                ),
            ),
        ),
    ),
)
