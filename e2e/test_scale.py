"""Workers come with the work and go without it, down to no pod at all; nobody's request fails on the way."""

import threading
import time
from collections.abc import Iterator

import pytest

from e2e import resource
from e2e.resource import Resource
from e2e.served import eventually

pytestmark = pytest.mark.timeout(1200)

_READY_SECONDS = 240.0
_FIRST_PICTURE_SECONDS = 90.0
_TO_ZERO_SECONDS = 20
_CLIENTS = 12
_FOLLOWED_SECONDS = 15.0
_WRITER_SECONDS = 5.0


@pytest.fixture(scope="module", autouse=True)
def from_nothing(shapes: Resource) -> Iterator[None]:
    """The first segment may go to zero, and comes back when the tests have ended."""
    before = shapes.spec()["segments"]
    bounds = {"minReplicas": 0, "maxReplicas": 2, "targetQueueTime": "100ms"}
    delays = {"scaleDownDelay": "5s", "scaleToZeroDelay": f"{_TO_ZERO_SECONDS}s"}
    first = {**before[0], "workers": {"autoscaling": {**bounds, **delays}}}
    shapes.patch({"segments": [first, *before[1:]]})
    yield
    shapes.patch({"segments": before, "replicas": None})
    eventually(lambda: len(shapes.replicas()["large"]) >= 1, seconds=120.0, what="a worker is back")
    shapes.wait("Ready", seconds=_READY_SECONDS)


def _wait_for_nothing(shapes: Resource) -> float:
    started = time.monotonic()
    eventually(lambda: not shapes.pods(role="large"), seconds=_TO_ZERO_SECONDS + 180.0, what="no worker is left")
    return time.monotonic() - started


def _draw_all_at_once(shapes: Resource) -> list[Exception]:
    failures: list[Exception] = []

    def ask(seed: int) -> None:
        try:
            resource.picture(client, model=shapes.name, seed=seed)
        except Exception as error:  # noqa: BLE001  whatever it is, a client would see it
            failures.append(error)

    with shapes.client() as client:
        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(_CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return failures


@pytest.mark.parametrize("time_around", [1, pytest.param(2, marks=pytest.mark.full)])
def test_workers_come_from_nothing_and_go_again(shapes: Resource, time_around: int) -> None:
    print(f"\n{time_around}: no worker after {_wait_for_nothing(shapes):.0f} s")
    assert shapes.condition("Available")["status"] == "True"
    with shapes.client() as client:
        started = time.monotonic()
        assert resource.picture(client, model=shapes.name).startswith(b"\x89PNG")
    first = time.monotonic() - started
    print(f"first picture after {first:.0f} s")
    assert first < _FIRST_PICTURE_SECONDS
    assert _draw_all_at_once(shapes) == []


@pytest.mark.full
def test_a_number_of_replicas_is_followed_and_never_written(shapes: Resource) -> None:
    segments = shapes.spec()["segments"]
    del segments[0]["workers"]
    shapes.patch({"segments": segments, "replicas": 1})
    eventually(lambda: len(shapes.replicas()["large"]) == 1, seconds=120.0, what="one worker")
    started = time.monotonic()
    _scale(shapes, 2)
    eventually(lambda: _wanted_of_ray(shapes) == 2, seconds=_FOLLOWED_SECONDS, what="Ray is asked for two workers")
    print(f"\n`kubectl scale` was followed after {time.monotonic() - started:.1f} s")
    for replicas in (1, 2, 1, 2):
        _scale(shapes, replicas)
        time.sleep(_WRITER_SECONDS)  # the pace of the foreign writer, which nothing answers
        assert shapes.spec()["replicas"] == replicas
    eventually(lambda: shapes.status().get("replicas") == 2, seconds=180.0, what="two workers")
    writers = _writers_of_replicas(shapes)
    assert writers
    assert all(each.startswith("kubectl") for each in writers), writers


def _scale(shapes: Resource, replicas: int) -> None:
    shapes.cluster.kubectl("scale", "hybriddiffusion/shapes", f"--replicas={replicas}", "--namespace=default")


def _wanted_of_ray(shapes: Resource) -> int:
    application = shapes.ray("/api/serve/applications/")["applications"][shapes.name]
    return int(application["deployments"]["large"]["target_num_replicas"])


def _writers_of_replicas(shapes: Resource) -> list[str]:
    """Who owns `spec.replicas`, by the API server's own book."""
    found = shapes.cluster.get("hybriddiffusion", "shapes", "--namespace=default", "--show-managed-fields=true")
    managers = found["metadata"]["managedFields"]
    return [each["manager"] for each in managers if "f:replicas" in each["fieldsV1"].get("f:spec", {})]
