"""Changes of a resource, one of each sort that acts differently: what a user may go to and fro between."""

import copy
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

SAMPLE = Path(__file__).parents[2] / "e2e" / "samples" / "shapes.yaml"
_MIDDLE = {
    "name": "middle",
    "runsOn": "Cloud",
    "model": {"uri": "builtin://shapes/small"},
    "steps": {"value": "10%"},
    "workers": {"replicas": 1},
}


def sample() -> list[Manifest]:
    """The README's resource, and behind it what it refers to."""
    return list(yaml.safe_load_all(SAMPLE.read_text()))


def variants() -> dict[str, Manifest]:
    """Specs by what was changed in them."""
    return {name: _changed(change) for name, change in _CHANGES.items()}


def _changed(change: dict[str, Any]) -> Manifest:
    spec = copy.deepcopy(sample()[0]["spec"])
    spec["rollout"] = {"drainTime": "0s", "progressDeadline": "10m"}
    for path, value in change.items():
        *above, last = path.split(".")
        place: Any = spec
        for part in above:
            place = place[int(part)] if part.isdigit() else place.setdefault(part, {})
        if value is None:
            place.pop(last, None)
        elif last.isdigit():
            place.insert(int(last), copy.deepcopy(value))
        else:
            place[last] = copy.deepcopy(value)
    return spec


_CHANGES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "image": {"kubeRay.image": "example/serving:2"},
    "Ray's version": {"kubeRay.rayVersion": "2.61.0"},
    "template of all pods": {"kubeRay.podTemplate": {"spec": {"priorityClassName": "system-cluster-critical"}}},
    "template of the ingress": {"ingress.podTemplate": {"metadata": {"annotations": {"a": "b"}}}},
    "threads": {"segments.0.engine.threads": 1},
    "bounds": {"segments.0.workers.autoscaling": {"minReplicas": 0, "maxReplicas": 5}},
    "fixed workers": {"segments.0.workers": {"replicas": 1}},
    "scaled": {"segments.0.workers": {"replicas": 1}, "replicas": 3},
    "split": {"segments.0.steps": {"min": "20%", "max": "60%"}},
    "a third segment": {"segments.1": _MIDDLE},
    "default steps": {"requests.defaults.steps": 20},
    "sizes": {"requests.limits.sizes": ["64x64", "128x128"]},
    "two ingresses": {"ingress.replicas": 2},
    "open service": {"ingress.apiKeysSecretRef": None},
    "node port": {"ingress.service": {"type": "NodePort"}},
    "time of handoffs": {"handoff.ttl": "4m"},
    "own signing key": {"handoff.signingKeySecretRef": None},
    "unpriced": {"cost": None},
    "shared cache": {
        "engineCache": {"type": "PersistentVolumeClaim", "persistentVolumeClaim": {"claimName": "engines"}}
    },
    "Redis": {"store": {"type": "Redis", "redis": {"address": "redis:6379"}}},
    "no policy": {"networkPolicy": {"enabled": False}},
    "no monitor": {"podMonitor": {"enabled": False}},
    "drain time": {"rollout.drainTime": "1s"},
    "suspended": {"suspend": True},
}
