"""Causes found in pods, Jobs and clusters, in the words of whoever knows."""

from typing import Any

import pytest

from hybrid_operator import trouble
from hybrid_operator.observed import Failure, Stage


def a_pod(name: str = "p", **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": status}


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"name": "ray", "state": {"waiting": {"reason": reason, "message": message}}, **more}


def a_job(*conditions: str, **metadata: Any) -> dict[str, Any]:
    found = [{"type": each, "status": "True", "message": "it has reached the limit"} for each in conditions]
    return {"metadata": {"name": "j", "uid": "1", **metadata}, "status": {"conditions": found}}


def ended(code: int, message: str) -> dict[str, Any]:
    return {"name": "engines", "state": {"terminated": {"exitCode": code, "message": message}}}


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"])
def test_an_image_that_cannot_be_had_is_named_with_its_pod(reason: str) -> None:
    failure = trouble.of_pods([a_pod(containerStatuses=[waiting(reason, "manifest unknown")])])
    assert failure == Failure("ImagePullFailed", "Pod `p`, container `ray`: manifest unknown")


def test_a_container_that_only_starts_is_no_trouble() -> None:
    assert trouble.of_pods([a_pod(containerStatuses=[waiting("ContainerCreating")])]) is None
    assert trouble.of_pods([a_pod(initContainerStatuses=[waiting("PodInitializing")])]) is None


def test_a_worker_that_builds_its_engines_first_says_so() -> None:
    pod = a_pod(initContainerStatuses=[{"name": "engines", "state": {"running": {}}}])
    said = "Pod `p`, container `engines`: builds engines before Ray starts."
    assert trouble.of_pods([pod]) == Failure("BuildingEngines", said)
    broken = a_pod("q", containerStatuses=[waiting("ErrImagePull", "manifest unknown")])
    graver = trouble.of_pods([pod, broken])
    assert graver is not None
    assert graver.reason == "ImagePullFailed"


@pytest.mark.parametrize("state", [{"waiting": {"reason": "PodInitializing"}}, {"terminated": {"exitCode": 0}}])
def test_engines_that_are_not_being_built_are_not_waited_for(state: dict[str, Any]) -> None:
    assert trouble.of_pods([a_pod(initContainerStatuses=[{"name": "engines", "state": state}])]) is None


def test_a_pod_that_is_replaced_tells_what_its_engines_died_of_even_on_its_way_out() -> None:
    pod = a_pod(initContainerStatuses=[ended(1, "There is no folder `/models/nowhere`.")])
    pod["metadata"]["deletionTimestamp"] = "2026-11-01T12:00:00Z"
    said = "Pod `p`, container `engines`: ended with code 1: There is no folder `/models/nowhere`."
    assert trouble.of_pods([pod]) == Failure("ContainerCrashed", said)


@pytest.mark.parametrize("code", [0, 137, 143])
def test_a_container_that_was_told_to_end_is_no_trouble(code: int) -> None:
    assert trouble.of_pods([a_pod(initContainerStatuses=[ended(code, "")])]) is None
    assert trouble.of_pods([a_pod(containerStatuses=[ended(code, "")])]) is None


def test_a_worker_on_its_way_out_may_end_with_any_code() -> None:
    pod = a_pod(containerStatuses=[ended(1, "")])
    assert trouble.of_pods([pod]) is not None
    pod["metadata"]["deletionTimestamp"] = "2026-11-01T12:00:00Z"
    assert trouble.of_pods([pod]) is None


@pytest.mark.parametrize(("finished", "is_told"), [("11:56:59", True), ("11:57:00", False), ("11:57:01", False)])
def test_what_a_pod_died_of_before_it_was_told_to_go_is_told(finished: str, is_told: bool) -> None:
    """Its grace ends at the timestamp, so it was told three minutes before that."""
    container = {"name": "ray", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
    container["state"]["terminated"]["finishedAt"] = f"2026-11-01T{finished}Z"
    pod = a_pod(containerStatuses=[container])
    pod["metadata"] |= {"deletionTimestamp": "2026-11-01T12:00:00Z", "deletionGracePeriodSeconds": 180}
    assert (trouble.of_pods([pod]) is not None) == is_told


def test_a_container_without_memory_is_named_though_it_was_killed() -> None:
    container = {"name": "ray", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
    failure = trouble.of_pods([a_pod(containerStatuses=[container])])
    assert failure == Failure("ContainerCrashed", "Pod `p`, container `ray`: ended with code 137: OOMKilled")


def test_a_crash_tells_how_it_ended() -> None:
    last = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    failure = trouble.of_pods([a_pod(containerStatuses=[waiting("CrashLoopBackOff", "back-off", lastState=last)])])
    assert failure is not None
    assert failure.reason == "ContainerCrashed"
    assert "ended with code 137: OOMKilled" in failure.message


def test_a_pod_without_a_node_tells_what_the_scheduler_said() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: no GPU"}
    failure = trouble.of_pods([a_pod(conditions=[condition])])
    assert failure == Failure("Unschedulable", "Pod `p`: 0/3 nodes: no GPU")


def test_the_gravest_cause_wins_and_pods_that_go_do_not_count() -> None:
    crash = a_pod("a", containerStatuses=[waiting("CrashLoopBackOff", "x")])
    image = a_pod("b", containerStatuses=[waiting("ErrImagePull", "y")])
    going = a_pod("c", containerStatuses=[waiting("ErrImagePull", "z")])
    going["metadata"]["deletionTimestamp"] = "2026-11-01T12:00:00Z"
    found = trouble.of_pods([crash, going, image])
    assert found is not None
    assert "`b`" in found.message


def test_pods_that_a_quota_forbids_are_reported_by_their_cluster() -> None:
    condition = {"type": "ReplicaFailure", "status": "True", "message": "pods is forbidden: exceeded quota"}
    cluster = {"metadata": {"name": "c"}, "status": {"conditions": [condition]}}
    assert trouble.of_clusters([cluster]) == Failure(
        "PodsNotCreated", "RayCluster `c`: pods is forbidden: exceeded quota"
    )
    assert trouble.of_clusters([{"metadata": {"name": "c"}}]) is None


def test_a_job_that_failed_tells_the_end_of_its_log() -> None:
    pods = [a_pod(containerStatuses=[ended(1, "loading…\nno space left on device")])]
    stage, failure = trouble.of_job(a_job("Failed"), pods=pods)
    assert stage is Stage.FAILED
    assert failure == Failure("EngineBuildFailed", "Job `j`: loading… no space left on device")


def test_a_job_that_failed_without_a_pod_tells_what_the_job_says() -> None:
    _, failure = trouble.of_job(a_job("Failed"), pods=[])
    assert failure is not None
    assert "it has reached the limit" in failure.message


def test_a_job_is_starting_until_it_is_complete() -> None:
    assert trouble.of_job(a_job(), pods=[])[0] is Stage.STARTING
    assert trouble.of_job(a_job("Complete"), pods=[])[0] is Stage.DONE
    assert trouble.of_job(a_job(deletionTimestamp="2026-11-01T12:00:00Z"), pods=[])[0] is Stage.ENDING


def test_the_result_of_a_build_is_the_last_word_of_its_container() -> None:
    assert trouble.result([a_pod(containerStatuses=[ended(0, "openvino f32 4e8a1fad")])]) == "openvino f32 4e8a1fad"
    assert trouble.result([a_pod(containerStatuses=[ended(1, "no")])]) == ""
