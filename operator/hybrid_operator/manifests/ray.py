"""The Ray cluster of a revision and the RayService around it, in KubeRay's words (ray.io/v1 of KubeRay 1.6).

Numbers of replicas are not here: they live in the Serve document, and Ray's autoscaler follows it. Nothing in the
cluster may depend on a field that is applied in place, because KubeRay would not bring the change to a running cluster.
"""

import json
from typing import Any

from hybrid_api import frames, serve_config
from hybrid_api.prices import PriceList
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator.manifests import containers, pods
from hybrid_operator.manifests.labels import INGRESS, metadata
from hybrid_operator.manifests.merging import merged
from hybrid_operator.manifests.names import ray_service_name
from hybrid_operator.manifests.pods import Defaults

Manifest = dict[str, Any]

_MOST_PODS = 2000
"""Of a group, for ever: twice as many as the resource allows replicas, so that a surge has room."""
_IDLE_SECONDS = 30
"""How long a pod without a replica is kept. Serve has waited its own delay before it took the replica away."""
_EVERY_ADDRESS = "0.0.0.0"  # noqa: S104  of a pod; the NetworkPolicy says who may come
_AUTOSCALER = "autoscaler"
"""A container of this name in the head's template is merged into KubeRay's own, which takes nothing from there."""
_SHARED = ("image", "imagePullPolicy", "env", "envFrom", "volumeMounts", "securityContext")


def service_spec(hd: HybridDiffusion, *, revision: str, defaults: Defaults) -> Manifest:
    """The RayService's spec without the Serve document: what a revision keeps."""
    return {
        # Revisions are rolled out by us: KubeRay has no rollback to rely on, and cuts requests at a switch.
        "upgradeStrategy": {"type": "None"},
        "excludeHeadPodFromServeSvc": True,
        "rayClusterConfig": _cluster(hd, revision=revision, defaults=defaults),
    }


def ray_service(hd: HybridDiffusion, *, revision: str, rendering: Manifest, prices: PriceList | None) -> Manifest:
    """A revision's RayService: its rendering, and a Serve document with today's tunables and bounds.

    There is no document where today's segments are not the revision's: then only its own last one would fit it.
    """
    document = serve_config.render(hd, prices=prices, host=_EVERY_ADDRESS, port=containers.SERVE_PORT, on_cluster=True)
    name = ray_service_name(hd.metadata.name, revision)
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": metadata(hd, name, component="ray-service", revision=revision),
        "spec": {**rendering["rayService"], **_serve_config(document, frame=rendering["frame"])},
    }


def _serve_config(document: Manifest, *, frame: Manifest) -> Manifest:
    """As text; JSON is YAML that every parser reads alike, while a name such as 1e5 is a number to some."""
    if not frames.is_made_for(document, frame=frame):
        return {}
    return {"serveConfigV2": json.dumps(frames.put(document, frame=frame), indent=1)}


def _cluster(hd: HybridDiffusion, *, revision: str, defaults: Defaults) -> Manifest:
    head = pods.head(hd, revision=revision, defaults=defaults)
    ingress = pods.ingress(hd, revision=revision, defaults=defaults)
    workers = {
        segment.name: pods.worker(hd, segment, revision=revision, defaults=defaults) for segment in hd.spec.segments
    }
    autoscaler = _without_autoscaler(head)
    return {
        "rayVersion": (hd.spec.kube_ray and hd.spec.kube_ray.ray_version) or defaults.ray_version,
        "authOptions": {"mode": "token"},
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": _autoscaler(autoscaler, like=pods.ray_container(head)),
        **_fault_tolerance(hd),
        "headGroupSpec": {
            "rayStartParams": {"num-cpus": "0", "metrics-export-port": str(containers.METRICS_PORT)},
            "template": head,
        },
        "workerGroupSpecs": [
            _group(INGRESS, deployment=serve_config.INGRESS, template=ingress),
            *(_group(name, deployment=name, template=template) for name, template in workers.items()),
        ],
    }


def _group(name: str, *, deployment: str, template: Manifest) -> Manifest:
    """Pods that take one replica of one deployment each."""
    return {
        "groupName": name,
        "replicas": 0,
        "minReplicas": 0,
        "maxReplicas": _MOST_PODS,
        "numOfHosts": 1,
        "rayStartParams": {"metrics-export-port": str(containers.METRICS_PORT)},
        "resources": {"CPU": "1", serve_config.resource_of(deployment): "1"},
        "template": template,
    }


def _without_autoscaler(head: Manifest) -> Manifest:
    """What the head's template says of the autoscaler, taken out of it."""
    found = [each for each in head["spec"]["containers"] if each["name"] == _AUTOSCALER]
    head["spec"]["containers"] = [each for each in head["spec"]["containers"] if each["name"] != _AUTOSCALER]
    return {key: value for each in found for key, value in each.items() if key != "name"}


def _autoscaler(stated: Manifest, *, like: Manifest) -> Manifest:
    """The autoscaler runs beside Ray in the same image, so it needs the same mounts and may do as little."""
    options: Manifest = merged({key: like[key] for key in _SHARED if key in like}, stated)
    options["resources"] = containers.resources(options.get("resources") or {}, needs=containers.AUTOSCALER_NEEDS)
    return {"version": "v2", "idleTimeoutSeconds": _IDLE_SECONDS, "upscalingMode": "Default", **options}


def _fault_tolerance(hd: HybridDiffusion) -> Manifest:
    """Ray's own memory in Redis, so that a lost head costs nothing; each cluster keeps its own part of it."""
    redis = hd.spec.store.redis if hd.spec.store else None
    if redis is None:
        return {}
    options: Manifest = {"redisAddress": redis.address}
    if ref := redis.password_secret_ref:
        options["redisPassword"] = {"valueFrom": {"secretKeyRef": {"name": ref.name, "key": ref.key}}}
    return {"gcsFaultToleranceOptions": options}
