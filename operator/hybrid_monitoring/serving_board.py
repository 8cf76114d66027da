"""The dashboard *Serving*: how fast, how full, how healthy; and what the operator does. Declarations only."""

from hybrid_monitoring.panels import Board, Panel, Row, Shape, Unit
from hybrid_monitoring.queries import SELECTED, Query

_RATE = "$__rate_interval"
_STARTS = f"hybriddiffusion_cold_start_seconds_bucket{{{SELECTED}}}"


def _rate(metric: str, by: str, *, more: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{SELECTED}{more}}}[{_RATE}]))"


def _quantile(share: float, metric: str, by: str) -> str:
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, {_rate(f'{metric}_bucket', labels)})"


def _lines(title: str, description: str, unit: Unit, *queries: Query, shape: Shape = "lines") -> Panel:
    return Panel(title=title, description=description, unit=unit, shape=shape, queries=queries)


_REQUESTS = Row(
    title="Requests",
    panels=(
        _lines(
            "Answers",
            "Answers a second, by status. 429 means that the predicted wait exceeded the deadline.",
            "per second",
            Query(_rate("hybriddiffusion_requests_total", "status"), "{{status}}"),
        ),
        _lines(
            "Time to the last byte",
            "Half and 95 % of the answers stay below, by route.",
            "seconds",
            Query(_quantile(0.5, "hybriddiffusion_request_seconds", "path"), "{{path}} half"),
            Query(_quantile(0.95, "hybriddiffusion_request_seconds", "path"), "{{path}} 95 %"),
        ),
        _lines(
            "Time to the first preview",
            "Half and 95 % of the streams stay below.",
            "seconds",
            Query(_quantile(0.5, "hybriddiffusion_first_preview_seconds", ""), "half"),
            Query(_quantile(0.95, "hybriddiffusion_first_preview_seconds", ""), "95 %"),
        ),
        _lines(
            "Pictures",
            "Finished pictures a second, by the tier that finished them.",
            "per second",
            Query(_rate("hybriddiffusion_images_total", "tier"), "{{tier}}"),
        ),
        _lines(
            "Deadline misses",
            "Pictures that were later than their deadline, or never, as a share of those that were finished.",
            "percent",
            Query(f"hybriddiffusion:deadline_misses:ratio15m{{{SELECTED}}}", "{{name}}"),
        ),
        _lines(
            "Handoffs",
            "Handoffs a second by outcome: issued, finished by a device, returned to the cloud, refused.",
            "per second",
            Query(_rate("hybriddiffusion_handoffs_total", "outcome"), "{{outcome}}"),
        ),
    ),
)
_ENGINES = Row(
    title="Engines",
    panels=(
        _lines(
            "Wait for an engine",
            "From arrival at a worker to the first engine call; half and 95 % stay below.",
            "seconds",
            Query(_quantile(0.5, "hybriddiffusion_queue_wait_seconds", "segment"), "{{segment}} half"),
            Query(_quantile(0.95, "hybriddiffusion_queue_wait_seconds", "segment"), "{{segment}} 95 %"),
        ),
        _lines(
            "Time of a step",
            "One engine call that runs a step for everybody in it; half and 95 % stay below.",
            "seconds",
            Query(_quantile(0.5, "hybriddiffusion_step_seconds", "segment"), "{{segment}} half"),
            Query(_quantile(0.95, "hybriddiffusion_step_seconds", "segment"), "{{segment}} 95 %"),
        ),
        _lines(
            "Rows of a call",
            "Rows that shared an engine call, on average. A guided picture brings two.",
            "count",
            Query(
                _rate("hybriddiffusion_engine_rows_total", "segment", more=',kind="step"')
                + " / "
                + _rate("hybriddiffusion_engine_calls_total", "segment", more=',kind="step"'),
                "{{segment}}",
            ),
        ),
        _lines(
            "Batch occupancy",
            "Share of the rows in step calls that were somebody's; the rest only filled a bucket.",
            "percent",
            Query(f"hybriddiffusion:batch_occupancy:ratio5m{{{SELECTED}}}", "{{segment}}"),
        ),
        _lines(
            "Steps",
            "Rows of denoising steps a second.",
            "per second",
            Query(_rate("hybriddiffusion_steps_total", "segment"), "{{segment}}"),
        ),
        _lines(
            "Where workers' time goes",
            "Engine time of requests by kind, and time that is nobody's.",
            "none",
            Query(_rate("hybriddiffusion_engine_seconds_total", "kind"), "{{kind}}"),
            Query(_rate("hybriddiffusion_overhead_seconds_total", "kind"), "{{kind}}"),
            shape="areas",
        ),
        _lines(
            "Outstanding work",
            "Profiled engine time of the work that is at workers; scaling follows it.",
            "seconds",
            Query(f"sum by (segment) (hybriddiffusion_outstanding_work_seconds{{{SELECTED}}})", "{{segment}}"),
        ),
        _lines(
            "Predicted wait",
            "What new work would wait at the fullest worker.",
            "seconds",
            Query(f"max by (segment) (hybriddiffusion_predicted_wait_seconds{{{SELECTED}}})", "{{segment}}"),
        ),
        _lines(
            "Texts found encoded",
            "Share of texts that needed no engine call.",
            "percent",
            Query(
                _rate("hybriddiffusion_prompt_cache_requests_total", "segment", more=',outcome="hit"')
                + " / "
                + _rate("hybriddiffusion_prompt_cache_requests_total", "segment"),
                "{{segment}}",
            ),
        ),
        _lines(
            "Sent",
            "Bytes of pictures and handoffs a second.",
            "bytes per second",
            Query(_rate("hybriddiffusion_egress_bytes_total", "tenant"), "{{tenant}}"),
        ),
    ),
)
_WORKERS = Row(
    title="Workers",
    panels=(
        _lines(
            "Workers",
            "Workers that run, by segment.",
            "count",
            Query(f"hybriddiffusion:workers:count{{{SELECTED}}}", "{{segment}}"),
        ),
        _lines(
            "Cold starts",
            "Workers that started, and the time that 95 % of them stayed below.",
            "seconds",
            Query(
                f"histogram_quantile(0.95, sum by (segment, le) ({_STARTS}))",
                "{{segment}} 95 %",
            ),
        ),
        _lines(
            "Lost workers",
            "Stretches repeated because a worker died under them, and failures of the scaling policy.",
            "count",
            Query(f"sum(increase(hybriddiffusion_repeats_total{{{SELECTED}}}[{_RATE}])) or vector(0)", "repeated"),
            Query(
                f"sum(increase(hybriddiffusion_autoscaling_policy_failures_total[{_RATE}])) or vector(0)",
                "policy failures",
            ),
        ),
    ),
)
_OPERATOR = Row(
    title="Operator",
    panels=(
        _lines(
            "Reconcile time",
            "95 % of the reconciles stay below.",
            "seconds",
            Query(
                "histogram_quantile(0.95, sum by (le) (rate(hybriddiffusion_operator_reconcile_seconds_bucket"
                f"[{_RATE}])))",
                "95 %",
            ),
        ),
        _lines(
            "Reconcile errors",
            "Reconciles that ended with an error, a second, by its class.",
            "per second",
            Query(
                f"sum by (error) (rate(hybriddiffusion_operator_reconcile_errors_total[{_RATE}])) or vector(0)",
                "{{error}}",
            ),
        ),
        _lines(
            "Due and waiting",
            "Resources that are due and not worked on; more than a few for minutes means that the operator is stuck.",
            "count",
            Query("sum(hybriddiffusion_operator_queue_waiting)", "waiting"),
        ),
        _lines(
            "Leaders",
            "Exactly one process reconciles; zero for more than a Lease's length means that nobody does.",
            "count",
            Query("sum(hybriddiffusion_operator_is_leader)", "leaders"),
        ),
        _lines(
            "Engines, built or found",
            "What the Jobs of the resources' revisions did: compiled an engine, or found it in the cache.",
            "count",
            Query(f"sum by (outcome) (hybriddiffusion_engines{{{SELECTED}}})", "{{outcome}}"),
        ),
        _lines(
            "Conditions that do not hold",
            "Resources whose condition is not True.",
            "count",
            Query('sum by (type) (hybriddiffusion_condition{status!="True"})', "{{type}}"),
        ),
        _lines(
            "Writes and missed changes",
            "Writes to the API server a second, and changes that only a resync found.",
            "per second",
            Query(f"sum by (kind, verb) (rate(hybriddiffusion_operator_writes_total[{_RATE}]))", "{{verb}} {{kind}}"),
            Query(f"sum(rate(hybriddiffusion_operator_missed_changes_total[{_RATE}])) or vector(0)", "missed"),
        ),
    ),
)
BOARD = Board(
    uid="hybriddiffusion-serving",
    title="Hybrid Diffusion / Serving",
    description="How fast requests are answered, how full engines are, how workers and the operator fare.",
    rows=(_REQUESTS, _ENGINES, _WORKERS, _OPERATOR),
)
