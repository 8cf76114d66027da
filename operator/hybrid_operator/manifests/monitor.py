"""The PodMonitor: has the Prometheus operator scrape a resource's pods, if it is wanted."""

from typing import Any

from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator.children import LABEL_NAME, LABEL_ROLE
from hybrid_operator.manifests.labels import ENGINES, metadata
from hybrid_operator.manifests.names import service_name

Manifest = dict[str, Any]

_OWN_PREFIX = "ray_(hybriddiffusion_.*)"
"""Replicas export through Ray, which puts its own prefix before every name."""
_NOISE = "SessionName|WorkerId|otel_scope_.*"
"""Labels that change with every restart and tell nobody anything."""


def pod_monitor(hd: HybridDiffusion) -> Manifest | None:
    """Scrapes head, ingress and workers."""
    wanted = hd.spec.pod_monitor
    if not wanted.enabled:
        return None
    made = metadata(hd, service_name(hd.metadata.name), component="monitor")
    made["labels"] = {**wanted.labels, **made["labels"]}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": made,
        "spec": {
            "selector": {
                "matchLabels": {LABEL_NAME: hd.metadata.name},
                "matchExpressions": [{"key": LABEL_ROLE, "operator": "NotIn", "values": [ENGINES]}],
            },
            "podTargetLabels": [LABEL_NAME, LABEL_ROLE],
            "podMetricsEndpoints": [{"port": "metrics", "metricRelabelings": _relabelings()}],
        },
    }


def _relabelings() -> list[Manifest]:
    return [
        {"action": "replace", "sourceLabels": ["__name__"], "regex": _OWN_PREFIX, "targetLabel": "__name__"},
        {"action": "labeldrop", "regex": _NOISE},
    ]
