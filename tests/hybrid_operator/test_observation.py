"""What is known of a revision's troubles: the most telling of all that its objects say."""

from typing import Any

import pytest

from hybrid_operator import kinds, observation
from hybrid_operator.children import LABEL_REVISION, LABEL_ROLE, Children
from hybrid_operator.kinds import Kind
from hybrid_operator.manifests.labels import ENGINES

OWNER = "uid-of-shapes"
CRASH = "The deployment failed:\nTraceback (most recent call last):\n  File …\nKeyInvalidError: Key `a` has 5 bytes."


def an_object(kind: Kind, **parts: Any) -> dict[str, Any]:
    metadata = {
        "name": f"shapes-{kind.name.lower()}",
        "labels": {LABEL_REVISION: "r1"},
        "creationTimestamp": "2026-11-01T12:00:00Z",
        "ownerReferences": [{"uid": OWNER, "controller": True}],
    }
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **parts}


def a_ray_service(message: str) -> dict[str, Any]:
    deployments = {"Ingress": {"status": "UPDATING", "message": message}}
    applications = {"shapes": {"status": "DEPLOYING", "serveDeploymentStatuses": deployments}}
    side = {"rayClusterName": "c", "applicationStatuses": applications}
    return an_object(kinds.RAY_SERVICE, status={"pendingServiceStatus": side})


def a_pod(**state: Any) -> dict[str, Any]:
    return an_object(kinds.POD, status={"initContainerStatuses": [{"name": "engines", "state": state}]})


def a_cluster_under_a_quota() -> dict[str, Any]:
    condition = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    return an_object(kinds.RAY_CLUSTER, status={"conditions": [condition]})


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ([a_ray_service(CRASH)], "ApplicationCrashes"),
        ([a_ray_service(CRASH), a_pod(running={})], "ApplicationCrashes"),
        ([a_ray_service("1 replica is not scheduled"), a_pod(running={})], "BuildingEngines"),
        ([a_ray_service("1 replica is not scheduled"), a_pod(running={}), a_cluster_under_a_quota()], "PodsNotCreated"),
        ([a_ray_service(CRASH), a_pod(terminated={"exitCode": 1})], "ContainerCrashed"),
        ([a_ray_service("1 replica is not scheduled")], "ApplicationNotRunning"),
    ],
)
def test_the_most_telling_trouble_is_told(objects: list[dict[str, Any]], reason: str) -> None:
    found = observation.observe(Children(OWNER, tuple(objects)), service_name="shapes", status={}).revision("r1")
    assert found.trouble is not None
    assert found.trouble.reason == reason


@pytest.mark.parametrize(("is_complete", "reason"), [(False, "ContainerCrashed"), (True, None)])
def test_a_pod_that_failed_at_a_build_counts_until_the_build_is_done(is_complete: bool, reason: str | None) -> None:
    conditions = [{"type": "Complete", "status": "True"}] if is_complete else []
    job = an_object(kinds.JOB, status={"conditions": conditions})
    job["metadata"]["uid"] = "uid-of-job"
    ended = {"name": "engines", "state": {"terminated": {"exitCode": 1}}}
    pod = an_object(kinds.POD, status={"containerStatuses": [ended]})
    pod["metadata"]["labels"][LABEL_ROLE] = ENGINES
    found = observation.observe(Children(OWNER, (job, pod)), service_name="shapes", status={}).revision("r1")
    assert (found.trouble.reason if found.trouble else None) == reason
