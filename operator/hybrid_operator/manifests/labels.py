"""Labels, owner and namespace: the metadata that every child of a resource carries.

Selectors are made of these labels, and selectors of running objects cannot change: neither may the labels.
"""

from typing import Any

from hybrid_api.v1alpha1 import API_VERSION, KIND, HybridDiffusion
from hybrid_operator.children import LABEL_NAME, LABEL_REVISION, LABEL_ROLE, LABEL_SEGMENT

HEAD, INGRESS, ENGINES = "head", "ingress", "engines"
"""Roles of pods beside the segments, whose role is their name."""

_APPLICATION = "hybrid-diffusion"
_OPERATOR = "hybrid-diffusion-operator"


def metadata(
    hd: HybridDiffusion, name: str, *, component: str, revision: str = "", segment: str = ""
) -> dict[str, Any]:
    """The metadata of a child named `name`."""
    return {
        "name": name,
        "namespace": hd.metadata.namespace,
        "labels": labels(hd.metadata.name, component=component, revision=revision, segment=segment),
        "ownerReferences": [owner_reference(hd)],
    }


def labels(name: str, *, component: str, revision: str = "", segment: str = "", role: str = "") -> dict[str, str]:
    """The labels of a child of the resource `name`, or of a pod below it."""
    ours = {LABEL_NAME: name, LABEL_REVISION: revision, LABEL_SEGMENT: segment, LABEL_ROLE: role}
    return {
        "app.kubernetes.io/name": _APPLICATION,
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": _APPLICATION,
        "app.kubernetes.io/managed-by": _OPERATOR,
        **{key: value for key, value in ours.items() if value},
    }


def owner_reference(hd: HybridDiffusion) -> dict[str, Any]:
    """Has the garbage collector delete a child after its resource, with or without an operator."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": hd.metadata.name,
        "uid": hd.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def selector(hd: HybridDiffusion) -> str:
    """The workers of the first segment as a label selector: what an autoscaler counts."""
    return f"{LABEL_NAME}={hd.metadata.name},{LABEL_SEGMENT}={hd.spec.segments[0].name}"
