"""How Prometheus gets the metrics: what every monitor of ours does to names and labels, in one place.

Replicas export through Ray, which prefixes names and adds labels that change with every process.
"""

from typing import Any

RAY_PORT, OPERATOR_PORT = 8080, 8080
INTERVAL = "15s"
RAY_TARGETS = "ray/prom_metrics_service_discovery.json"
"""The list of nodes that Ray keeps in its folder; `ray` beside the configuration is a link to that."""

_OURS = "(?:ray_)?(hybriddiffusion_.+|serve_.+)"
_FLEETING = "WorkerId|SessionName|NodeAddress|Component|Version|otel_scope_.+"
"""Labels of Ray that name processes and versions: they multiply series and say nothing."""


def relabelings() -> list[dict[str, Any]]:
    """What happens to every sample: only ours, without Ray's prefix and fleeting labels, named after the resource."""
    return [
        {"source_labels": ["__name__"], "regex": _OURS, "action": "keep"},
        {"source_labels": ["__name__"], "regex": "ray_(.+)", "target_label": "__name__", "replacement": "$1"},
        # A monitor knows the resource by its pods' labels; on one machine the application has the resource's name.
        {"source_labels": ["name", "application"], "regex": ";(.+)", "target_label": "name", "replacement": "$1"},
        {"regex": _FLEETING, "action": "labeldrop"},
    ]


def metric_relabelings() -> list[dict[str, Any]]:
    """The same in the words of the Prometheus operator's monitors."""
    words = {"source_labels": "sourceLabels", "target_label": "targetLabel"}
    return [{words.get(key, key): value for key, value in rule.items()} for rule in relabelings()]


def configuration() -> dict[str, Any]:
    """A whole Prometheus for one machine: Ray's nodes as Ray itself lists them, an operator, and the shipped rules."""
    return {
        "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {
                "job_name": "hybriddiffusion-workers",
                "file_sd_configs": [{"files": [RAY_TARGETS]}],
                "metric_relabel_configs": relabelings(),
            },
            {
                "job_name": "hybriddiffusion-operator",
                "static_configs": [{"targets": [f"127.0.0.1:{OPERATOR_PORT}"]}],
                # A condition's namespace is the resource's, not the operator's.
                "honor_labels": True,
                "metric_relabel_configs": relabelings(),
            },
        ],
    }
