"""A revision: its name, what it is rendered to once, and the record that keeps the rendering.

The name is made of what the user wrote, nothing that a default filled in: a newer operator must find the same name. The
rendering has the defaults of the operator that made it, and is never made again.
"""

import hashlib
import json
from typing import Any

from hybrid_api import frames, serve_config
from hybrid_api.halves import stored
from hybrid_api.tags import Tag
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator.manifests import engines, pods, ray
from hybrid_operator.manifests.labels import HEAD, INGRESS, metadata
from hybrid_operator.manifests.names import controller_revision_name
from hybrid_operator.manifests.pods import Defaults

Manifest = dict[str, Any]

_DIGITS = 8
_OWN_TEMPLATES = {HEAD: "spec.kubeRay.head.podTemplate", INGRESS: "spec.ingress.podTemplate"}
"""Where the resource shapes pods that are no segment's."""


def revision_of(hd: HybridDiffusion) -> str:
    """Eight hex digits of everything that cannot be changed in place."""
    written = json.dumps(stored(hd, Tag.FIXED, Tag.PODS), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(written.encode()).hexdigest()[:_DIGITS]


def rendering(hd: HybridDiffusion, *, defaults: Defaults) -> Manifest:
    """Everything that a revision keeps: its image, the frame of its Serve document, its cluster, its builds."""
    revision = revision_of(hd)
    spec = ray.service_spec(hd, revision=revision, defaults=defaults)
    return {
        "image": pods.image_of(hd, defaults=defaults),
        "frame": frames.of(serve_config.render(hd, on_cluster=True)),
        "rayService": spec,
        "engines": _builds(hd, groups=spec["rayClusterConfig"]["workerGroupSpecs"]),
    }


def controller_revision(hd: HybridDiffusion, *, rendering: Manifest, number: int) -> Manifest:
    """The record of the revision that the resource asks for."""
    revision = revision_of(hd)
    name = controller_revision_name(hd.metadata.name, revision)
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata(hd, name, component="revision", revision=revision),
        "data": rendering,
        "revision": number,
    }


def pod_templates(hd: HybridDiffusion, *, rendering: Manifest) -> dict[str, Manifest]:
    """Every pod of a rendering as a PodTemplate, by the field that shapes it; to be judged, never to be stored."""
    cluster = rendering["rayService"]["rayClusterConfig"]
    groups = {HEAD: cluster["headGroupSpec"]} | {each["groupName"]: each for each in cluster["workerGroupSpecs"]}
    return {
        _OWN_TEMPLATES.get(role, f"spec.segments[{role}].workers.podTemplate"): {
            "apiVersion": "v1",
            "kind": "PodTemplate",
            "metadata": {"name": f"{hd.metadata.name}-{role}", "namespace": hd.metadata.namespace},
            "template": group["template"],
        }
        for role, group in groups.items()
    }


def _builds(hd: HybridDiffusion, *, groups: list[Manifest]) -> Manifest:
    """The pod of each segment's engine Job, where Jobs build engines."""
    if not engines.is_shared(hd):
        return {}
    workers = {each["groupName"]: each["template"] for each in groups}
    return {each.name: engines.template(hd, each, worker=workers[each.name]) for each in hd.spec.segments}
