"""A RayService's status, as KubeRay writes it, read as a stage and a cause."""

from typing import Any

import pytest

from hybrid_operator import ray
from hybrid_operator.observed import Failure, Stage

TRACEBACK = """Deploying app 'shapes' failed with exception:
Traceback (most recent call last):
  File "application_state.py", line 1, in build
    raise RuntimeError
KeyError: 'inner'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "assembly.py", line 2, in open
    load()
EngineMissing: No engine of `large` in the cache; run `hybrid engine build`.
"""


def a_ray_service(status: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "shapes-1", "generation": 2, **metadata}, "status": status or {}}


def with_application(side: str = "activeServiceStatus", **application: Any) -> dict[str, Any]:
    return a_ray_service({side: {"applicationStatuses": {"shapes": application}, "rayClusterName": "c"}})


def test_nothing_known_is_starting_without_a_cause() -> None:
    assert ray.stage(a_ray_service()) == (Stage.STARTING, None)


@pytest.mark.parametrize("side", ["activeServiceStatus", "pendingServiceStatus"])
def test_a_running_application_is_done_wherever_it_runs(side: str) -> None:
    assert ray.stage(with_application(side, status="RUNNING"))[0] is Stage.DONE


def test_an_endpoint_does_not_make_an_application_run() -> None:
    ready = [{"type": "Ready", "status": "True", "reason": "NonZeroServeEndpoints"}]
    assert ray.stage(a_ray_service({"conditions": ready, "numServeEndpoints": 2}))[0] is Stage.STARTING


def test_a_failed_application_fails_with_the_last_line_of_its_traceback() -> None:
    stage, failure = ray.stage(with_application(status="DEPLOY_FAILED", message=TRACEBACK))
    assert stage is Stage.FAILED
    assert failure == Failure(
        "ApplicationFailed",
        "RayService `shapes-1`: EngineMissing: No engine of `large` in the cache; run `hybrid engine build`.",
    )


def test_a_failed_deployment_tells_more_than_the_application_does() -> None:
    deployments = {"large": {"status": "DEPLOY_FAILED", "message": TRACEBACK}, "small": {"status": "HEALTHY"}}
    _, failure = ray.stage(
        with_application(status="DEPLOY_FAILED", message="see deployments", serveDeploymentStatuses=deployments)
    )
    assert failure is not None
    assert "EngineMissing" in failure.message


def test_a_failure_without_a_word_still_says_so() -> None:
    _, failure = ray.stage(with_application(status="DEPLOY_FAILED"))
    assert failure is not None
    assert "without a message" in failure.message


@pytest.mark.parametrize("reason", ["ValidationFailed", "InitializingTimeout"])
def test_what_kuberay_gave_up_fails(reason: str) -> None:
    conditions = [{"type": "Ready", "status": "False", "reason": reason, "message": "name too long"}]
    stage, failure = ray.stage(a_ray_service({"conditions": conditions}))
    assert stage is Stage.FAILED
    assert failure is not None
    assert "name too long" in failure.message


@pytest.mark.parametrize("status", ["UNHEALTHY", "NOT_STARTED", "A_STATE_OF_2030"])
def test_any_other_state_is_not_yet_running(status: str) -> None:
    stage, trouble = ray.stage(with_application(status=status, message=TRACEBACK))
    assert stage is Stage.STARTING
    assert trouble is not None


def test_an_application_that_is_changed_tells_so_and_what_is_in_the_way() -> None:
    stage, trouble = ray.stage(with_application(status="DEPLOYING", message=TRACEBACK))
    assert stage is Stage.DEPLOYING
    assert trouble is not None


def test_one_of_two_applications_is_not_enough() -> None:
    found = {"a": {"status": "RUNNING"}, "b": {"status": "UNHEALTHY"}}
    assert ray.stage(a_ray_service({"activeServiceStatus": {"applicationStatuses": found}}))[0] is Stage.STARTING


def test_what_is_being_deleted_is_ending_however_well_it_runs() -> None:
    found = with_application(status="RUNNING")
    found["metadata"]["deletionTimestamp"] = "2026-11-01T12:00:00Z"
    assert ray.stage(found) == (Stage.ENDING, None)


def test_it_is_current_once_kuberay_has_seen_its_newest_version() -> None:
    assert not ray.is_current(a_ray_service({"observedGeneration": 1}))
    assert ray.is_current(a_ray_service({"observedGeneration": 2}))


def test_a_long_message_keeps_its_end_where_the_cause_stands() -> None:
    line = ray.last_line("x" * 1000 + " the cause")
    assert len(line) <= 300
    assert line.endswith("the cause")
