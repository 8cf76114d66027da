"""The PodMonitor: has the Prometheus operator scrape a resource's pods, if it is wanted.

What it does to names and labels is what the shipped scrape configuration does: dashboards and rules know one form.
"""

import re
from typing import Any

from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_monitoring import scrape
from hybrid_operator.children import LABEL_NAME, LABEL_ROLE
from hybrid_operator.manifests.labels import ENGINES, metadata
from hybrid_operator.manifests.names import service_name

Manifest = dict[str, Any]

_POD_LABEL = "__meta_kubernetes_pod_label_" + re.sub(r"[^a-zA-Z0-9_]", "_", LABEL_NAME)
"""As Prometheus calls the label with the resource's name."""


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
            "podMetricsEndpoints": [
                {
                    "port": "metrics",
                    "relabelings": [{"sourceLabels": [_POD_LABEL], "targetLabel": "name"}],
                    "metricRelabelings": scrape.metric_relabelings(),
                }
            ],
        },
    }
