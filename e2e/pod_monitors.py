"""As much of the Prometheus operator as the operator notices: its kind, since its definitions are in no Go module."""

from e2e.cluster.cluster import Manifest


def definition() -> Manifest:
    """PodMonitors with anything in them."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "podmonitors.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"kind": "PodMonitor", "plural": "podmonitors"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
