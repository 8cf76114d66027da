"""Pod templates of a resource: head, ingress, and one for each segment.

The user's templates are merged over ours. Nothing here may depend on a field that is applied in place.
"""

from dataclasses import dataclass
from typing import Any

from hybrid_api import pod_environment
from hybrid_api.segments import Segment
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator import occupancy
from hybrid_operator.children import LABEL_NAME, LABEL_REVISION, LABEL_ROLE
from hybrid_operator.manifests import containers, engines, environment, secrets
from hybrid_operator.manifests.containers import Needs
from hybrid_operator.manifests.labels import HEAD, INGRESS, labels
from hybrid_operator.manifests.merging import merged
from hybrid_operator.manifests.names import RAY_CONTAINER

Manifest = dict[str, Any]

_DRAIN_SECONDS = 120
"""How long a pod that is told to end, for its node perhaps, may go on with requests. It is no field that is applied in
place, like the requests' deadline. A revision that is replaced has been drained before, within `rollout.drainTime`."""
_GRACE_SECONDS = _DRAIN_SECONDS + 60
_HEAD_GRACE_SECONDS = 30
"""The autoscaler's shell does not hear the first signal, so the head always takes all of its grace."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the operator fills in where a resource is silent. Resources keep what they were rendered with."""

    image: str
    """Image of all Ray pods."""
    ray_version: str = "2.60.0"
    """Version of Ray in that image."""
    pull_secrets: tuple[str, ...] = ()
    """Names of Secrets, in the resource's namespace, that give access to the image."""


def head(hd: HybridDiffusion, *, revision: str, defaults: Defaults) -> Manifest:
    """The head's pod: no replica ever runs there."""
    kube_ray = hd.spec.kube_ray
    own = kube_ray.head.pod_template if kube_ray and kube_ray.head else None
    base = _base(hd, revision=revision, role=HEAD, defaults=defaults)
    base["spec"]["terminationGracePeriodSeconds"] = _HEAD_GRACE_SECONDS
    # KubeRay's own label: one of its Services selects the head by it.
    del base["metadata"]["labels"]["app.kubernetes.io/name"]
    return _completed(hd, base, own, needs=containers.HEAD_NEEDS)


def ingress(hd: HybridDiffusion, *, revision: str, defaults: Defaults) -> Manifest:
    """An ingress pod: it alone has the keys."""
    base = _base(hd, revision=revision, role=INGRESS, defaults=defaults)
    _serves(base)
    _mounts(base, *secrets.volumes(hd))
    _mounts(base, *secrets.ledger_volumes(hd))
    base["spec"]["topologySpreadConstraints"] = [_apart(base["metadata"]["labels"])]
    return _completed(hd, base, hd.spec.ingress.pod_template, needs=containers.INGRESS_NEEDS)


def worker(hd: HybridDiffusion, segment: Segment, *, revision: str, defaults: Defaults) -> Manifest:
    """A worker of a segment, with the engine cache. Where that is not shared, engines are built before Ray starts."""
    base = _base(hd, revision=revision, role=segment.name, segment=segment.name, defaults=defaults)
    _serves(base)
    _mounts(base, [engines.cache_volume(hd)], [engines.cache_mount()])
    _mounts(base, *secrets.ledger_volumes(hd))
    needs = containers.worker_needs(segment.engine.threads)
    completed = _completed(hd, base, segment.workers.pod_template, needs=needs)
    _tells_what_it_occupies(completed)
    if not engines.is_shared(hd):
        building = engines.builder(hd, segment, like=ray_container(completed))
        # Last, because what a template starts before it may fetch the weights.
        completed["spec"]["initContainers"] = [*completed["spec"].get("initContainers", []), building]
    return completed


def _tells_what_it_occupies(template: Manifest) -> None:
    """Workers book their time at the price of what their pod occupies, and the operator bills the same."""
    occupied = occupancy.of_pod(template)
    if occupied.gpus and occupied.gpu_type:
        template["metadata"]["labels"][occupancy.LABEL_GPU_TYPE] = occupied.gpu_type
    container, told = ray_container(template), pod_environment.written(occupied)
    container["env"] = [each for each in container["env"] if each["name"] not in told]
    container["env"] += [{"name": name, "value": value} for name, value in told.items()]


def ray_container(template: Manifest) -> Manifest:
    """The container that runs Ray."""
    found: list[Manifest] = template["spec"]["containers"]
    return next(each for each in found if each["name"] == RAY_CONTAINER)


def image_of(hd: HybridDiffusion, *, defaults: Defaults) -> str:
    """The image of all Ray pods and engine builds."""
    return (hd.spec.kube_ray and hd.spec.kube_ray.image) or defaults.image


def _base(hd: HybridDiffusion, *, revision: str, role: str, defaults: Defaults, segment: str = "") -> Manifest:
    spec: Manifest = {
        "securityContext": containers.pod_security(),
        "enableServiceLinks": False,
        "containers": [containers.ray_container(image_of(hd, defaults=defaults))],
        "volumes": [containers.scratch()],
    }
    if defaults.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in defaults.pull_secrets]
    ours = labels(
        hd.metadata.name, component="worker" if segment else role, revision=revision, segment=segment, role=role
    )
    return {"metadata": {"labels": ours}, "spec": spec}


def _serves(template: Manifest) -> None:
    """Make it a pod with replicas. Only the head's autoscaler talks to the API server."""
    template["spec"] |= {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": _GRACE_SECONDS}
    container = ray_container(template)
    container["env"].append(environment.draining(_DRAIN_SECONDS))
    container["ports"] = containers.serving_ports()
    container["readinessProbe"] = containers.readiness()


def _mounts(template: Manifest, volumes: list[Manifest], mounts: list[Manifest]) -> None:
    template["spec"]["volumes"] += volumes
    ray_container(template)["volumeMounts"] += mounts


def _apart(labels: dict[str, str]) -> Manifest:
    """Pods of one revision on different nodes, as far as possible: two on one are one failure."""
    ours = {name: labels[name] for name in (LABEL_NAME, LABEL_REVISION, LABEL_ROLE)}
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": ours},
    }


def _completed(hd: HybridDiffusion, base: Manifest, own: Manifest | None, *, needs: Needs) -> Manifest:
    """`base` under the user's templates, the common one first; our labels stay, since selectors are made of them."""
    common = hd.spec.kube_ray.pod_template if hd.spec.kube_ray else None
    template: Manifest = merged(base, common or {}, own or {})
    template["metadata"]["labels"] |= base["metadata"]["labels"]
    container = ray_container(template)
    container["resources"] = containers.resources(container.get("resources") or {}, needs=needs)
    return template
