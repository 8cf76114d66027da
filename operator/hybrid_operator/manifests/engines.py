"""Engine builds: the command, the container, the cache's volume, and the Jobs of a shared cache.

A Job is idempotent: engines that are there are found, others are built. What came of it is its termination message.
"""

from copy import deepcopy
from typing import Any

from hybrid_api.segments import Segment
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator.children import ENGINES_CONTAINER, LABEL_ROLE, LABEL_SEGMENT
from hybrid_operator.manifests.environment import ENGINE_CACHE_PATH
from hybrid_operator.manifests.labels import ENGINES, metadata
from hybrid_operator.manifests.names import RAY_CONTAINER, job_name

Manifest = dict[str, Any]

_VOLUME = "engine-cache"
_TERMINATION_MESSAGE = "/dev/termination-log"
"""Kubernetes puts what is written there into the pod's status."""
_RETRIES = 2
_FAILURES = [
    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    {"action": "FailJob", "onExitCodes": {"containerName": ENGINES_CONTAINER, "operator": "In", "values": [1, 2]}},
]
"""A lost node is no failure, a refused build is one at once; what was killed is tried again."""
_COPIED = ("image", "imagePullPolicy", "env", "envFrom", "resources", "securityContext", "volumeMounts")
"""What a build shares with the worker that will load its engines: an engine fits the place where it was built."""


def is_shared(hd: HybridDiffusion) -> bool:
    """Whether pods share one cache, which Jobs fill."""
    cache = hd.spec.engine_cache
    return cache is not None and cache.persistent_volume_claim is not None


def cache_volume(hd: HybridDiffusion) -> Manifest:
    """The cache as a volume: the user's claim, or a folder that ends with its pod."""
    cache = hd.spec.engine_cache
    if cache is None or cache.persistent_volume_claim is None:
        return {"name": _VOLUME, "emptyDir": {}}
    return {"name": _VOLUME, "persistentVolumeClaim": {"claimName": cache.persistent_volume_claim.claim_name}}


def cache_mount() -> Manifest:
    """Where the cache is mounted; workers write too, what they learn about its files."""
    return {"name": _VOLUME, "mountPath": ENGINE_CACHE_PATH}


def builder(hd: HybridDiffusion, segment: Segment, *, like: Manifest) -> Manifest:
    """The container that builds a segment's engines, made like the worker's."""
    shared = {name: deepcopy(like[name]) for name in _COPIED if name in like}
    return {
        "name": ENGINES_CONTAINER,
        **shared,
        "command": command(hd, segment),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def command(hd: HybridDiffusion, segment: Segment) -> list[str]:
    """Builds every engine that the segment's workers will load."""
    first, engine = hd.spec.segments[0], segment.engine
    lacking = [] if segment is first else ["--first", first.model.uri]
    sizes = [part for size in hd.spec.requests.limits.sizes for part in ("--size", str(size))]
    return [
        *("python", "-m", "hybrid_engines", "build", segment.model.uri),
        *lacking,
        *sizes,
        *("--backend", engine.backend.lower()),
        *("--precision", engine.precision.lower()),
        *("--graph", engine.graph.lower()),
        *("--threads", str(engine.threads)),
        *("--batch-sizes", ",".join(map(str, engine.batch_sizes))),
        *("--report", _TERMINATION_MESSAGE),
    ]


def template(hd: HybridDiffusion, segment: Segment, *, worker: Manifest) -> Manifest:
    """The pod of a segment's engine Job, made from its worker's: same node, same volumes, same accelerator."""
    made = deepcopy(worker)
    spec = made["spec"]
    like = next(each for each in spec["containers"] if each["name"] == RAY_CONTAINER)
    spec["containers"] = [builder(hd, segment, like=like)]
    spec["restartPolicy"] = "Never"
    spec.pop("terminationGracePeriodSeconds", None)
    # Not the segment's label: a build is none of its workers, though it looks like one.
    del made["metadata"]["labels"][LABEL_SEGMENT]
    made["metadata"]["labels"] |= {LABEL_ROLE: ENGINES, "app.kubernetes.io/component": ENGINES}
    return made


def engine_jobs(hd: HybridDiffusion, *, revision: str, rendering: Manifest) -> list[Manifest]:
    """The Jobs that fill a shared cache for a revision; none where each pod builds its own engines."""
    return [
        _job(hd, segment, revision=revision, template=deepcopy(template))
        for segment, template in rendering["engines"].items()
    ]


def _job(hd: HybridDiffusion, segment: str, *, revision: str, template: Manifest) -> Manifest:
    name = job_name(hd.metadata.name, revision, segment)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(hd, name, component=ENGINES, revision=revision, segment=segment),
        "spec": {"backoffLimit": _RETRIES, "podFailurePolicy": {"rules": _FAILURES}, "template": template},
    }
