"""Bringing an application up over Ray's REST API: patience with what starts, one sentence for what fails."""

import base64
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from hybrid_serving.cli import rollout
from hybrid_serving.cli.failures import Failure
from hybrid_serving.cli.serve_api import Application, ServeApi, last_traceback_line
from hybrid_serving.edge.client import Service

DOCUMENT = {"applications": [{"name": "shapes"}]}
TRACEBACK = (
    "The deployment failed to start 3 times in a row. Error:\n"
    "Traceback (most recent call last):\n"
    '  File "python/ray/_raylet.pyx", line 1892, in ray._raylet.execute_task\n'
    "EngineMissing: No usable engine for `unet`.\n"
    "Run `python -m hybrid_engines build`.\n"
)
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout.time, "sleep", lambda _: None)


def status(state: str, *, message: str = "", running: int = 1) -> dict[str, Any]:
    replicas = [{"state": "RUNNING"}] * running
    large = {"status": "HEALTHY", "message": message, "replicas": replicas, "target_num_replicas": 1}
    return {"applications": {"shapes": {"status": state, "message": "", "deployments": {"large": large}}}}


def an_api(*states: dict[str, Any], puts: Sequence[int] = ()) -> ServeApi:
    """Answers each GET with the next state and each PUT with the next status, 200 when there is none left."""
    left, statuses = list(states), list(puts)

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer token"
        if request.method == "PUT":
            return httpx.Response(statuses.pop(0) if statuses else 200, text="why")
        return httpx.Response(200, json=left.pop(0) if len(left) > 1 else left[0])

    return ServeApi("http://ray", token="token", transport=httpx.MockTransport(answer))


def apply(api: ServeApi, *, watch: Callable[[Application], None] = lambda _: None, timeout: float = 60.0) -> None:
    rollout.apply(api, DOCUMENT, watch=watch, check=lambda: None, timeout_seconds=timeout)


def test_a_deployment_that_fails_is_told_by_the_first_line_of_its_error() -> None:
    with pytest.raises(Failure, match="`shapes` could not be deployed: EngineMissing: No usable engine for `unet`"):
        apply(an_api(status("DEPLOYING"), status("DEPLOY_FAILED", message=TRACEBACK)))


def test_a_deployment_that_takes_too_long_is_told_with_its_trouble() -> None:
    with pytest.raises(Failure, match="did not run after 0 s: EngineMissing"):
        apply(an_api(status("DEPLOYING", message=TRACEBACK)), timeout=0.0)


def test_an_application_that_never_appears_is_told() -> None:
    with pytest.raises(Failure, match="has not heard of it"):
        apply(an_api({"applications": {}}), timeout=0.0)


def test_a_document_that_serve_refuses_is_not_put_again() -> None:
    with pytest.raises(Failure, match="refused the Serve document with status 400: why"):
        apply(an_api(status("RUNNING"), puts=[400]))


def test_a_serve_that_still_starts_is_asked_again() -> None:
    apply(an_api(status("RUNNING"), puts=[500, 503]))


def test_a_dead_ray_ends_the_waiting() -> None:
    def check() -> None:
        raise Failure("The Ray head ended.")

    with pytest.raises(Failure, match="The Ray head ended"):
        rollout.apply(an_api(status("DEPLOYING")), DOCUMENT, watch=lambda _: None, check=check, timeout_seconds=60.0)


def test_every_state_is_watched_until_it_runs() -> None:
    seen: list[str] = []
    apply(
        an_api({"applications": {}}, status("DEPLOYING"), status("RUNNING")),
        watch=lambda application: seen.append(application.status),
    )
    assert seen == ["DEPLOYING", "RUNNING"]


def test_a_message_without_a_traceback_has_no_last_line() -> None:
    assert last_traceback_line("waiting for 1 replica") is None


def a_service(*answers: httpx.Response) -> Service:
    left = list(answers)
    return Service("http://service", transport=httpx.MockTransport(lambda _: left.pop(0)))


def picture(content: bytes) -> httpx.Response:
    return httpx.Response(200, json={"data": [{"b64_json": base64.b64encode(content).decode()}]})


def test_the_probe_waits_for_the_proxy_to_hear_of_the_replicas() -> None:
    service = a_service(httpx.Response(404), httpx.Response(503), picture(PIXEL))
    assert rollout.probe(service, model="shapes", timeout_seconds=60.0) >= 0.0


def test_the_probe_does_not_take_an_answer_for_a_picture() -> None:
    with pytest.raises(Failure, match="no picture"):
        rollout.probe(a_service(picture(b"hello")), model="shapes", timeout_seconds=60.0)


def test_the_probe_passes_on_what_the_service_says() -> None:
    refusal = httpx.Response(500, json={"error": {"message": "The decoder is gone.", "code": "internal_error"}})
    with pytest.raises(Failure, match="drew no picture: The decoder is gone"):
        rollout.probe(a_service(refusal), model="shapes", timeout_seconds=60.0)


def leaving(*, workers: int, ingress: int = 1) -> dict[str, Any]:
    def deployment(count: int) -> dict[str, Any]:
        return {"status": "HEALTHY", "message": "", "replicas": [{"state": "STOPPING", "pid": 9}] * count}

    deployments = {"Ingress": deployment(ingress), "large": deployment(workers)}
    return {"applications": {"shapes": {"status": "DELETING", "message": "", "deployments": deployments}}}


@pytest.fixture
def a_clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Goes on by a second with every look at it."""
    now = [0.0]

    def tick() -> float:
        now[0] += 1.0
        return now[0]

    monkeypatch.setattr(rollout.time, "monotonic", tick)
    return now


def test_workers_are_waited_for_and_watched_to_their_end_and_the_ingress_is_not(a_clock) -> None:
    seen: list[int] = []
    api = an_api(*[leaving(workers=2)] * 6, leaving(workers=0))
    rollout.withdraw(api, DOCUMENT, watch=lambda found: seen.append(len(found.deployments[1].pids)), timeout_seconds=60)
    assert seen == [2] * 6
    assert a_clock[0] < 20


def test_one_that_never_leaves_is_not_waited_for_for_ever(a_clock) -> None:
    rollout.withdraw(an_api(leaving(workers=1)), DOCUMENT, watch=lambda _: None, timeout_seconds=8)
    assert a_clock[0] < 20


def test_a_ray_that_does_not_listen_any_more_is_no_trouble(a_clock) -> None:
    rollout.withdraw(an_api(leaving(workers=1), puts=[500]), DOCUMENT, watch=lambda _: None, timeout_seconds=8)
