"""Two requests a second through everything that happens to a cluster: nobody notices."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e2e import open_loop, redis, release, resource
from e2e.cluster import kuberay
from e2e.cluster.cluster import Cluster
from e2e.open_loop import OpenLoop
from e2e.resource import Resource
from e2e.served import eventually

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]

_RATE = 2.0
_CALM_SECONDS = 30.0
_READY_SECONDS = 240.0
_REQUESTS = 120

Event = Callable[[Resource], Any]


@pytest.fixture(scope="module")
def shapes(operator: Cluster) -> Iterator[Resource]:
    if operator.place is None:
        pytest.skip("What happens to a cluster that is not ours is its owner's affair.")
    address = redis.install(operator)

    def with_redis(spec: dict[str, Any]) -> None:
        spec["store"] = {"type": "Redis", "redis": {"address": address}}

    with resource.ready(operator, with_redis, seconds=_READY_SECONDS) as shapes:
        yield shapes


def _roll(shapes: Resource) -> None:
    """A change of the pods alone, so that pictures stay the same to the byte."""
    old = shapes.revision()
    pods = shapes.pod_names()
    shapes.patch({"kubeRay": {"podTemplate": {"metadata": {"annotations": {"example.com/rolled": str(time.time())}}}}})
    eventually(lambda: shapes.revision() != old, seconds=_READY_SECONDS, what="the new revision serves")
    eventually(lambda: not pods & shapes.pod_names(), seconds=180.0, what="the old revision is gone")


def _restart(deployment: str, namespace: str) -> Event:
    def event(shapes: Resource) -> None:
        shapes.cluster.kubectl("rollout", "restart", f"deployment/{deployment}", f"--namespace={namespace}")
        shapes.cluster.kubectl("rollout", "status", f"deployment/{deployment}", f"--namespace={namespace}")

    return event


def _away(deployment: str, namespace: str, *, seconds: float) -> Event:
    def event(shapes: Resource) -> None:
        scale = ("scale", f"deployment/{deployment}", f"--namespace={namespace}")
        shapes.cluster.kubectl(*scale, "--replicas=0")
        time.sleep(seconds)
        shapes.cluster.kubectl(*scale, "--replicas=1")
        shapes.cluster.kubectl("rollout", "status", f"deployment/{deployment}", f"--namespace={namespace}")

    return event


def _kill_leader(shapes: Resource) -> None:
    where = f"--namespace={release.NAMESPACE}"
    holder = _holder(shapes)
    shapes.cluster.kubectl("delete", "pod", holder, where, "--grace-period=0", "--force")
    eventually(lambda: _holder(shapes) not in {"", holder}, seconds=60.0, what="another operator leads")


def _lose_head(shapes: Resource) -> None:
    before = {pod["metadata"]["name"] for pod in shapes.pods(role="head")}
    shapes.cluster.kubectl("delete", "pod", *before, f"--namespace={shapes.namespace}", "--wait=false")

    def is_another() -> bool:
        heads = [pod for pod in shapes.pods(role="head") if pod["metadata"]["name"] not in before]
        return any(
            each["type"] == "Ready" and each["status"] == "True"
            for pod in heads
            for each in pod["status"]["conditions"]
        )

    eventually(is_another, seconds=180.0, what="another head is ready")


def _holder(shapes: Resource) -> str:
    lease = shapes.cluster.get("lease", release.OPERATOR, f"--namespace={release.NAMESPACE}")
    return str(lease["spec"].get("holderIdentity", ""))


_EVENTS: dict[str, Event] = {
    "rollout": _roll,
    "operator restart": _restart(release.OPERATOR, release.NAMESPACE),
    "KubeRay restart": _restart("kuberay-operator", kuberay.NAMESPACE),
    "KubeRay away": _away("kuberay-operator", kuberay.NAMESPACE, seconds=120.0),
    "leader killed": _kill_leader,
    "head lost": _lose_head,
}


@pytest.mark.parametrize("name", _EVENTS)
def test_nobody_notices(name: str, shapes: Resource) -> None:
    with (
        shapes.cluster.reach(shapes.name, namespace=shapes.namespace, port=resource.PORT) as url,
        open_loop.running(OpenLoop(url, model=shapes.name, key="demo-key", rate=_RATE)) as tally,
    ):
        time.sleep(_CALM_SECONDS)  # the load before, which is part of what is promised
        started = time.monotonic()
        _EVENTS[name](shapes)
        print(f"\n{name}: {time.monotonic() - started:.0f} s under load")
        time.sleep(_CALM_SECONDS)
    print(f"{tally.answered} of {tally.asked} answered, the slowest after {tally.slowest_seconds:.1f} s")
    assert tally.failures == []
    assert tally.answered == tally.asked
    assert tally.answered >= _REQUESTS
