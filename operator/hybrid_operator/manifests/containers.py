"""Containers: security as the `restricted` pod security standard asks for it, ports, probes, resources.

Pieces only; `pods` puts them together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hybrid_operator.manifests import environment
from hybrid_operator.manifests.names import RAY_CONTAINER

SERVE_PORT = 8000
METRICS_PORT = 8080
_SCRATCH = "scratch"
USER = 10001
"""The image's user, and the group of mounted files and volumes: a number, since a name proves nothing."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a pod of some role asks for, unless its template says otherwise."""

    cpu: str
    memory: str
    memory_limit: str


HEAD_NEEDS = Needs(cpu="250m", memory="1Gi", memory_limit="3Gi")
INGRESS_NEEDS = Needs(cpu="250m", memory="1Gi", memory_limit="3Gi")
AUTOSCALER_NEEDS = Needs(cpu="50m", memory="256Mi", memory_limit="1Gi")


def worker_needs(threads: int) -> Needs:
    """An engine keeps as many cores busy as it has threads."""
    return Needs(cpu=str(threads), memory="2Gi", memory_limit="4Gi")


def pod_security() -> dict[str, Any]:
    """The pod's half of `restricted`."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def security() -> dict[str, Any]:
    """The container's half of `restricted`."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def ray_container(image: str) -> dict[str, Any]:
    """The container that runs Ray; KubeRay adds the command."""
    return {
        "name": RAY_CONTAINER,
        "image": image,
        "env": environment.variables(),
        "securityContext": security(),
        "volumeMounts": [{"name": _SCRATCH, "mountPath": "/tmp"}],  # noqa: S108  a volume of the pod's own
    }


def scratch() -> dict[str, Any]:
    """Where Ray and HAProxy keep what ends with the pod."""
    return {"name": _SCRATCH, "emptyDir": {}}


def serving_ports() -> list[dict[str, Any]]:
    """Ports of pods that have replicas. The head's are KubeRay's, which finds its own services by them."""
    return [
        {"name": "serve", "containerPort": SERVE_PORT, "protocol": "TCP"},
        {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
    ]


def readiness() -> dict[str, Any]:
    """Whether the pod takes requests. KubeRay's own probe looks every five seconds and begins after ten."""
    return {
        "httpGet": {"path": "/-/healthz", "port": SERVE_PORT},
        "periodSeconds": 2,
        "timeoutSeconds": 2,
        "failureThreshold": 2,
    }


def resources(stated: Mapping[str, Any], *, needs: Needs) -> dict[str, Any]:
    """What a template states, completed: an amount that it limits or requests is not touched."""
    requests, limits = dict(stated.get("requests") or {}), dict(stated.get("limits") or {})
    said = {*requests, *limits}
    if "cpu" not in said:
        requests["cpu"] = needs.cpu
    if "memory" not in said:
        requests["memory"], limits["memory"] = needs.memory, needs.memory_limit
    completed = {"requests": requests, "limits": limits}
    return {**stated, **{name: amounts for name, amounts in completed.items() if amounts}}
