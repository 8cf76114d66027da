"""What a pod occupies of its node, for its price: what its containers request, as Kubernetes counts it. Pure.

Requests are what a node is filled up with, so they are what is paid for; what is limited and not requested is requested
to its limit.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from hybrid_api.cost import Resources

LABEL_GPU_TYPE = "hybriddiffusion.io/gpu-type"
"""What a pod's GPUs are called in price lists (`gpuHour.<type>`): as the user says, or as its nodes are chosen."""

_NODE_LABELS = ("nvidia.com/gpu.product", "cloud.google.com/gke-accelerator", "karpenter.k8s.aws/instance-gpu-name")
_GPU = re.compile(r"[\w.-]+/(gpu|mig-.+)")
_QUANTITY = re.compile(r"([0-9.]+)(|[numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)")
_FACTORS = {
    **{letter: Decimal(10) ** (3 * power) for power, letter in enumerate(("n", "u", "m", "", *"kMGTPE"), start=-3)},
    **{f"{letter}i": Decimal(2) ** (10 * power) for power, letter in enumerate("KMGTPE", start=1)},
}
_GIB = Decimal(2) ** 30


def of_pod(pod: Mapping[str, Any]) -> Resources:
    """What a pod, or a template of pods, occupies while it is there; init containers are over by then."""
    found: dict[str, Decimal] = {}
    for container in pod["spec"]["containers"]:
        for name, amount in _requested(container.get("resources") or {}):
            found[name] = found.get(name, Decimal(0)) + amount
    return Resources(
        cpu_cores=found.get("cpu", Decimal(0)).normalize(),
        memory_gib=(found.get("memory", Decimal(0)) / _GIB).normalize(),
        gpus=int(sum((amount for name, amount in found.items() if _GPU.fullmatch(name)), start=Decimal(0))),
        gpu_type=gpu_type(pod),
    )


def gpu_type(pod: Mapping[str, Any]) -> str:
    """What a pod's GPUs are called: by its label, else by the nodes that it is for; empty where neither says."""
    stated = ((pod.get("metadata") or {}).get("labels") or {}).get(LABEL_GPU_TYPE)
    selector = pod["spec"].get("nodeSelector") or {}
    return str(stated or next((selector[name] for name in _NODE_LABELS if name in selector), ""))


def _requested(resources: Mapping[str, Any]) -> Iterator[tuple[str, Decimal]]:
    amounts = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return ((name, _quantity(amount)) for name, amount in amounts.items())


def _quantity(text: object) -> Decimal:
    """A Kubernetes quantity; what is none is nothing, and the API server says so of the pod."""
    match = _QUANTITY.fullmatch(str(text))
    try:
        if match is None:
            return Decimal(0)
        number, suffix = match.groups()
        return Decimal(number) * _FACTORS[suffix] if suffix in _FACTORS else Decimal(number + suffix)
    except InvalidOperation:
        return Decimal(0)
