"""Resources to render: the README's, the barest, one with everything switched on, one with the longest names."""

import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from hybrid_api import documents
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator import manifests

_SAMPLE = Path(__file__).parents[3] / "e2e/samples/shapes.yaml"
IMAGE = "registry.example/serving:1"
DEFAULTS = manifests.Defaults(image=IMAGE)

Manifest = dict[str, Any]


def readme() -> Manifest:
    manifest: Manifest = next(yaml.safe_load_all(_SAMPLE.read_text()))
    return manifest


def plain() -> Manifest:
    """The README's without its pods' resources, so that ours show."""
    manifest = readme()
    del manifest["spec"]["kubeRay"]
    return manifest


def bare() -> Manifest:
    """Only what must be there."""
    manifest = plain() | {"metadata": {"name": "bare"}}
    segments = [
        {key: segment[key] for key in ("name", "runsOn", "model", "steps") if key in segment}
        | {"workers": {"replicas": 1}}
        for segment in manifest["spec"]["segments"]
    ]
    requests = {"defaults": {"steps": 25}, "limits": {"sizes": ["64x64"]}}
    return manifest | {"spec": {"segments": segments, "requests": requests}}


def everything() -> Manifest:
    password = {"name": "redis", "key": "password"}
    return changed(
        {
            "metadata.name": "everything",
            "spec.segments[0].workers.podTemplate": _on_a_gpu(),
            "spec.ingress.replicas": 3,
            "spec.ingress.service": {"type": "LoadBalancer"},
            "spec.ingress.podTemplate": {"spec": {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a.example"]}]}},
            "spec.engineCache": {"type": "PersistentVolumeClaim", "persistentVolumeClaim": {"claimName": "engines"}},
            "spec.store": {"type": "Redis", "redis": {"address": "redis:6379", "passwordSecretRef": password}},
            "spec.podMonitor": {"labels": {"release": "prometheus"}},
            "spec.kubeRay": {
                "image": "registry.example/other:2",
                "podTemplate": {"spec": {"priorityClassName": "pictures"}},
                "head": {"podTemplate": containers({"name": "autoscaler", "resources": {"requests": {"cpu": "20m"}}})},
            },
        }
    )


def _on_a_gpu() -> Manifest:
    models = {"name": "models", "persistentVolumeClaim": {"claimName": "models", "readOnly": True}}
    template = containers(
        {
            "name": "ray",
            "resources": {"limits": {"nvidia.com/gpu": "1", "memory": "24Gi"}},
            "volumeMounts": [{"name": "models", "mountPath": "/models", "readOnly": True}],
        }
    )
    template["metadata"] = {"annotations": {"example.com/team": "pictures"}}
    template["spec"] |= {
        "nodeSelector": {"example.com/pool": "gpu"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "volumes": [models],
    }
    return template


def longest() -> Manifest:
    """The longest names that the resource allows."""
    return changed(
        {
            "metadata.name": "n" * 38,
            "spec.segments[0].name": "s" * 20,
            "spec.engineCache": everything()["spec"]["engineCache"],
        }
    )


def containers(*listed: Manifest) -> Manifest:
    """A pod template with just these containers."""
    return {"spec": {"containers": list(listed)}}


def changed(changes: Mapping[str, Any]) -> Manifest:
    """The plain resource with values put at paths such as `spec.segments[0].name`."""
    manifest = plain()
    for path, value in changes.items():
        *above, last = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]
        place: Any = manifest
        for part in above:
            place = place[part] if isinstance(part, int) else place.setdefault(part, {})
        place[last] = deepcopy(value)
    return manifest


def resource(changes: Mapping[str, Any] | None = None) -> HybridDiffusion:
    """The plain resource, changed, as the operator reads it."""
    return parsed(changed(changes or {}))


def parsed(manifest: Manifest) -> HybridDiffusion:
    metadata = {"namespace": "pictures", "uid": "c0ffee", "generation": 1} | manifest["metadata"]
    return documents.parse(manifest | {"metadata": metadata})


def rendered(hd: HybridDiffusion) -> Manifest:
    return manifests.rendering(hd, defaults=DEFAULTS)


def ray_service(hd: HybridDiffusion) -> Manifest:
    """The RayService of the revision that `hd` asks for."""
    revision = manifests.revision_of(hd)
    return manifests.ray_service(hd, revision=revision, rendering=rendered(hd), prices=None)


def templates(hd: HybridDiffusion) -> dict[str, Manifest]:
    """Every pod template of Ray by the name of its group; the head's is `head`."""
    cluster = rendered(hd)["rayService"]["rayClusterConfig"]
    workers = {group["groupName"]: group["template"] for group in cluster["workerGroupSpecs"]}
    return {"head": cluster["headGroupSpec"]["template"], **workers}


def ray(template: Manifest) -> Manifest:
    """The container that runs Ray; KubeRay takes the first for it, whatever its name."""
    container: Manifest = template["spec"]["containers"][0]
    assert container["name"] == "ray"
    return container


def variables(container: Manifest) -> dict[str, Any]:
    return {each["name"]: each.get("value") for each in container["env"]}


def by_name(items: list[Manifest]) -> dict[str, Manifest]:
    return {item["name"]: item for item in items}
