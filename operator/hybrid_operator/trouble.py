"""Why pods, Jobs and clusters do not get on, in the words of whoever knows: the child's own message, by name.

Pure. It finds causes; whether one is final is decided elsewhere.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from hybrid_operator import ray
from hybrid_operator.children import ENGINES_CONTAINER
from hybrid_operator.observed import BUILD_FAILED, Failure, Stage
from hybrid_operator.ownership import parse_time
from hybrid_operator.ray import last_line

CRASHED = "ContainerCrashed"
_BUILDING = "BuildingEngines"
_WAITING: Mapping[str, str] = {
    "ErrImagePull": "ImagePullFailed",
    "ImagePullBackOff": "ImagePullFailed",
    "InvalidImageName": "ImagePullFailed",
    "ErrImageNeverPull": "ImagePullFailed",
    "CreateContainerConfigError": "ContainerNotStarted",
    "CreateContainerError": "ContainerNotStarted",
    "RunContainerError": "ContainerNotStarted",
    "CrashLoopBackOff": CRASHED,
}
"""Why a container waits, by our reasons; `ContainerCreating` and the like are no trouble."""
_PODS_NOT_CREATED = "PodsNotCreated"
_GRAVEST = (
    "ImagePullFailed",
    "ContainerNotStarted",
    CRASHED,
    "Unschedulable",
    _PODS_NOT_CREATED,
    ray.REFUSED,
    ray.FAILED,
    ray.CRASHES,
    _BUILDING,
    ray.NOT_RUNNING,
)
"""The nearer to the machine the graver: what stands behind is often only its consequence."""
_OF_ANY_START = (_BUILDING, ray.NOT_RUNNING)
_TOLD_TO_END = (0, 137, 143)
"""Exit codes of containers that ended well, or because they were told to."""


def of_pods(pods: Iterable[Mapping[str, Any]]) -> Failure | None:
    """The gravest trouble among pods. Of those on their way out only what they died of before they were told to go."""
    found: list[Failure] = []
    for pod in sorted(pods, key=_name):
        found += (
            *_of_ended(pod, "initContainerStatuses"),
            *_of_ended(pod, "containerStatuses", before=_told_to_go(pod)),
        )
        if not pod["metadata"].get("deletionTimestamp"):
            found += _of_pod(pod)
    return gravest(found)


def gravest(found: Iterable[Failure | None]) -> Failure | None:
    """The one that explains the others; the first among equals."""
    return min(filter(None, found), key=lambda failure: _GRAVEST.index(failure.reason), default=None)


def is_of_any_start(failure: Failure | None) -> bool:
    """Whether it says no more than what is so of pods that are well and come up."""
    return failure is None or failure.reason in _OF_ANY_START


def of_clusters(clusters: Iterable[Mapping[str, Any]]) -> Failure | None:
    """Why pods of a RayCluster could not even be made: a quota, a policy."""
    for cluster in clusters:
        for condition in (cluster.get("status") or {}).get("conditions", []):
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                return Failure(_PODS_NOT_CREATED, f"RayCluster `{_name(cluster)}`: {last_line(condition['message'])}")
    return None


def of_job(job: Mapping[str, Any], *, pods: Iterable[Mapping[str, Any]]) -> tuple[Stage, Failure | None]:
    """How far a Job is; a failed one tells the end of its pod's log."""
    name, conditions = _name(job), (job.get("status") or {}).get("conditions", [])
    true = {condition["type"]: condition for condition in conditions if condition["status"] == "True"}
    if job["metadata"].get("deletionTimestamp"):
        return Stage.ENDING, None
    if "Complete" in true:
        return Stage.DONE, None
    if "Failed" not in true:
        return Stage.STARTING, None
    said = next((text for pod in pods for text in _last_words(pod)), true["Failed"].get("message", "no message"))
    return Stage.FAILED, Failure(BUILD_FAILED, f"Job `{name}`: {last_line(said)}")


def result(pods: Iterable[Mapping[str, Any]]) -> str:
    """What the container of a Job that succeeded said at its end; empty where it said nothing."""
    for pod in pods:
        for container in (pod.get("status") or {}).get("containerStatuses", []):
            ended = (container.get("state") or {}).get("terminated") or {}
            if ended.get("exitCode") == 0 and ended.get("message"):
                return last_line(str(ended["message"]))[:253]
    return ""


def _of_pod(pod: Mapping[str, Any]) -> Iterator[Failure]:
    status, where = pod.get("status") or {}, f"Pod `{_name(pod)}`"
    for container in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if reason := _WAITING.get(waiting.get("reason", "")):
            said = _crash(container) or waiting.get("message") or waiting["reason"]
            yield Failure(reason, f"{where}, container `{container['name']}`: {last_line(said)}")
    for container in status.get("initContainerStatuses", []):
        if container["name"] == ENGINES_CONTAINER and "running" in (container.get("state") or {}):
            yield Failure(_BUILDING, f"{where}, container `{ENGINES_CONTAINER}`: builds engines before Ray starts.")
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            yield Failure("Unschedulable", f"{where}: {last_line(condition.get('message', ''))}")


def _of_ended(pod: Mapping[str, Any], containers: str, *, before: datetime | None = None) -> Iterator[Failure]:
    """Ray's pods are never restarted but replaced, so that a crash shows only until KubeRay takes the pod away."""
    for container in (pod.get("status") or {}).get(containers, []):
        ended = (container.get("state") or {}).get("terminated") or {"exitCode": 0}
        by_itself = before is None or ("finishedAt" in ended and parse_time(ended["finishedAt"]) < before)
        if by_itself and (ended["exitCode"] not in _TOLD_TO_END or ended.get("reason") == "OOMKilled"):
            yield Failure(CRASHED, f"Pod `{_name(pod)}`, container `{container['name']}`: {_ending(ended)}")


def _told_to_go(pod: Mapping[str, Any]) -> datetime | None:
    """When the pod's deletion was asked for; its timestamp is when its grace is over."""
    metadata = pod["metadata"]
    if not metadata.get("deletionTimestamp"):
        return None
    grace = timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
    return parse_time(metadata["deletionTimestamp"]) - grace


def _crash(container: Mapping[str, Any]) -> str | None:
    ended = (container.get("lastState") or {}).get("terminated")
    return _ending(ended) if ended else None


def _ending(ended: Mapping[str, Any]) -> str:
    said = ended.get("message") or ended.get("reason") or ""
    return f"ended with code {ended['exitCode']}: {last_line(said)}"


def _last_words(pod: Mapping[str, Any]) -> Iterator[str]:
    for container in (pod.get("status") or {}).get("containerStatuses", []):
        for state in (container.get("state") or {}, container.get("lastState") or {}):
            ended = state.get("terminated") or {}
            if ended.get("exitCode") and ended.get("message"):
                yield str(ended["message"])


def _name(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"]["name"])
