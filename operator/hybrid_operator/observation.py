"""Reads what exists of a resource out of its children, as far as a rollout depends on it. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hybrid_operator import kinds, ray, trouble
from hybrid_operator.children import ENGINES_ROLE, LABEL_REVISION, LABEL_ROLE, Children, label
from hybrid_operator.observed import Failure, Observed, Rejected, Revision, Stage
from hybrid_operator.ownership import applied_at, parse_time

Manifest = Mapping[str, Any]


def observe(children: Children, *, service_name: str, status: Manifest) -> Observed:
    """All revisions that left anything behind, and where the Service sends requests."""
    owned = (*children.owned(kinds.CONTROLLER_REVISION), *children.owned(kinds.RAY_SERVICE), *children.owned(kinds.JOB))
    names = sorted({label(each, LABEL_REVISION) for each in owned} - {""})
    services = [each for each in children.owned(kinds.SERVICE) if each["metadata"]["name"] == service_name]
    selector = services[0]["spec"].get("selector") or {} if services else {}
    return Observed(
        revisions=tuple(_revision(name, children) for name in names),
        routed=selector.get(LABEL_REVISION, ""),
        routed_at=applied_at(services[0]) if services else None,
        remembered=(status.get("revisions") or {}).get("serving", ""),
        rejected=_rejected(status),
    )


def _rejected(status: Manifest) -> Rejected | None:
    found = (status.get("revisions") or {}).get("rejected")
    return Rejected(**found) if found else None


def _revision(name: str, children: Children) -> Revision:
    record = _of(children.owned(kinds.CONTROLLER_REVISION), name)
    ray_service = _of(children.owned(kinds.RAY_SERVICE), name)
    jobs = [job for job in children.owned(kinds.JOB) if label(job, LABEL_REVISION) == name]
    engines, build_failure = _engines(jobs, children)
    pods = children.of_revision(kinds.POD, name)
    if engines is Stage.DONE:  # of a build that came to its end, what failed on the way is the past
        pods = [pod for pod in pods if label(pod, LABEL_ROLE) != ENGINES_ROLE]
    service, cause = ray.stage(ray_service) if ray_service else (Stage.ABSENT, None)
    causes = (
        trouble.of_pods(pods),
        trouble.of_clusters(children.of_revision(kinds.RAY_CLUSTER, name)),
        cause,
    )
    return Revision(
        name=name,
        number=int(record["revision"]) if record else 0,
        progressed_at=_progressed_at(record, ray_service, *jobs),
        engines=engines,
        service=service,
        failure=build_failure or (cause if service is Stage.FAILED else None),
        trouble=trouble.gravest(causes),
    )


def _of(manifests: Sequence[Manifest], revision: str) -> Manifest | None:
    return next((each for each in manifests if label(each, LABEL_REVISION) == revision), None)


def _engines(jobs: Sequence[dict[str, Any]], children: Children) -> tuple[Stage, Failure | None]:
    """The stage of the slowest Job, and why the first failed one failed."""
    found = [trouble.of_job(job, pods=children.pods_of(job)) for job in jobs]
    failure = next((cause for _, cause in found if cause), None)
    stages = {stage for stage, _ in found}
    order = (Stage.FAILED, Stage.ENDING, Stage.STARTING, Stage.DONE)
    return next((stage for stage in order if stage in stages), Stage.ABSENT), failure


def _progressed_at(record: Manifest | None, *made: Manifest | None) -> datetime | None:
    """The last step: becoming the desired revision changes its record, then Jobs and RayService are made."""
    times = [parse_time(each["metadata"]["creationTimestamp"]) for each in made if each]
    recorded = applied_at(dict(record)) if record else None
    return max((*times, *([recorded] if recorded else [])), default=None)
