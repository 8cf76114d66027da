"""How a resource is reached: the Service in front of the serving revision, and who may talk to its pods."""

from typing import Any

from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator.children import LABEL_NAME, LABEL_REVISION, LABEL_ROLE
from hybrid_operator.manifests.containers import METRICS_PORT, SERVE_PORT
from hybrid_operator.manifests.labels import INGRESS, metadata
from hybrid_operator.manifests.names import disruption_budget_name, service_name

Manifest = dict[str, Any]

_DASHBOARD_PORT = 8265
_PROXY_METRICS_PORT = 9101
"""Where HAProxy tells how many requests are in flight."""
_ANYWHERE: Manifest = {}
_NAME, _COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
_OPERATORS = ((_NAME, "hybrid-diffusion-operator"), (_COMPONENT, "kuberay-operator"))
_PROMETHEUS = (_NAME, "prometheus")


def service(hd: HybridDiffusion, *, revision: str) -> Manifest:
    """The one address of a resource; a rollout moves its selector. Without a revision it selects nothing."""
    ours = {LABEL_NAME: hd.metadata.name, LABEL_REVISION: revision, LABEL_ROLE: INGRESS}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(hd, service_name(hd.metadata.name), component=INGRESS),
        "spec": {
            "type": hd.spec.ingress.service.type,
            "selector": ours,
            "ports": [{"name": "http", "port": SERVE_PORT, "targetPort": SERVE_PORT, "protocol": "TCP"}],
        },
    }


def url(hd: HybridDiffusion) -> str:
    """Where the service is reached from inside the cluster."""
    return f"http://{service_name(hd.metadata.name)}.{hd.metadata.namespace}.svc:{SERVE_PORT}"


def network_policy(hd: HybridDiffusion) -> Manifest | None:
    """Closes what Ray leaves open: callers reach Serve, Prometheus the metrics, operators also the dashboard."""
    if not hd.spec.network_policy.enabled:
        return None
    pods = {"matchLabels": {LABEL_NAME: hd.metadata.name}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(hd, service_name(hd.metadata.name), component="network"),
        "spec": {
            "podSelector": pods,
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [{"podSelector": pods}]},
                {"ports": [_port(SERVE_PORT)]},
                {"from": [_program(*_PROMETHEUS)], "ports": [_port(METRICS_PORT)]},
                {
                    "from": [_program(label, value) for label, value in _OPERATORS],
                    "ports": [_port(_DASHBOARD_PORT), _port(_PROXY_METRICS_PORT)],
                },
            ],
        },
    }


def disruption_budget(hd: HybridDiffusion) -> Manifest | None:
    """Keeps all but one ingress pod through node drains, where there are at least two.

    A number that stays, not one that may go: of pods that no built-in controller made, only that can be reckoned.
    """
    replicas = hd.spec.ingress.replicas
    if replicas < 2 or hd.spec.is_stopped:
        return None
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(hd, disruption_budget_name(hd.metadata.name), component=INGRESS),
        "spec": {
            "minAvailable": replicas - 1,
            # A pod that answers nobody must not hold up the drain of its node.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {LABEL_NAME: hd.metadata.name, LABEL_ROLE: INGRESS}},
        },
    }


def _port(number: int) -> Manifest:
    return {"port": number, "protocol": "TCP"}


def _program(label: str, value: str) -> Manifest:
    """Pods of a program, in whichever namespace it was installed."""
    return {"namespaceSelector": _ANYWHERE, "podSelector": {"matchLabels": {label: value}}}
