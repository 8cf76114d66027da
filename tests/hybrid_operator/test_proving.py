"""What is asked of a revision's pods, and with what."""

import asyncio
import base64
from typing import Any, cast

import pytest
from tests.hybrid_operator.fake_cluster import FakeCluster
from tests.hybrid_operator.variants import sample

from hybrid_api import documents
from hybrid_operator import manifests, probe
from hybrid_operator.blueprint import Blueprint
from hybrid_operator.children import LABEL_REVISION, LABEL_ROLE, Children
from hybrid_operator.cluster import Cluster
from hybrid_operator.observed import Verdict
from hybrid_operator.prober import Prober
from hybrid_operator.proving import PROBE_TENANT, Proving
from hybrid_operator.rollout import Phase, Plan
from hybrid_operator.store import Key

KEY = Key("default", "shapes")


class Listening:
    """A caller that remembers the keys it was given, and whose proxies are idle."""

    def __init__(self) -> None:
        self.keys: list[str | None] = []
        self.addresses: list[Any] = []

    async def ask(self, address: Any, *_: Any, path: str, key: str | None, **__: Any) -> tuple[int, bytes]:
        self.keys.append(key)
        self.addresses.append(address)
        if path == "/metrics":
            return 200, b'haproxy_backend_current_sessions{proxy="http-shapes"} 0\n'
        return 503, b"busy"


def a_pod(name: str, *, is_ready: bool = True, phase: str = "Running") -> dict[str, Any]:
    labels = {LABEL_REVISION: "r1", LABEL_ROLE: "ingress"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": name, "labels": labels},
        "status": {
            "phase": phase,
            "podIP": "192.0.2.1",
            "conditions": [{"type": "Ready", "status": "True" if is_ready else "False"}],
        },
    }


def a_blueprint(*pods: dict[str, Any]) -> Blueprint:
    resource = sample()[0]
    resource["metadata"]["namespace"] = "default"
    return Blueprint(
        hd=documents.parse(resource),
        revision="r1",
        children=Children("uid", pods),
        defaults=manifests.Defaults(image="example/serving:1"),
        prices=None,
        keeps_prices=False,
    )


def test_a_key_that_somebody_wrote_with_an_editor_is_sent_without_its_line_end() -> None:
    async def story() -> None:
        cluster, caller = FakeCluster(), Listening()
        value = base64.b64encode(b"a-key\n").decode()
        metadata = {"name": manifests.probe_secret_name("shapes"), "namespace": "default"}
        cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {PROBE_TENANT: value}})
        told = asyncio.Event()
        prober = Prober(lambda _: told.set())
        Proving(cast("Cluster", cluster), caller, prober).prove(KEY, "r1", a_blueprint(a_pod("one")))
        await asyncio.wait_for(told.wait(), timeout=10)
        await prober.close()
        assert caller.keys == ["a-key"]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([a_pod("one")], 0),
        ([a_pod("one"), a_pod("two", is_ready=False)], None),
        ([a_pod("one", is_ready=False)], None),
        ([a_pod("one"), a_pod("two", is_ready=False, phase="Pending")], 0),
        ([a_pod("one"), a_pod("two", is_ready=False, phase="Failed")], 0),
        ([], 0),
    ],
)
def test_a_revision_is_idle_only_if_no_pod_of_its_ingress_runs_unasked(
    pods: list[dict[str, Any]], expected: int | None
) -> None:
    """One that is overloaded is not ready, and has the most requests of all."""
    proving = Proving(cast("Cluster", FakeCluster()), Listening(), Prober(lambda _: None))
    assert asyncio.run(proving.in_flight("r1", a_blueprint(*pods))) == expected


def test_what_is_suspended_has_to_draw_again_when_it_comes_back() -> None:
    prober = Prober(lambda _: None)
    proving = Proving(cast("Cluster", FakeCluster()), Listening(), prober)
    blueprint, was = a_blueprint(a_pod("a")), {"conditions": [{"type": "Ready", "status": "True"}]}
    running = Plan(actions=(), phase=Phase.SETTLED, serving="r1")
    assert proving.proof(KEY, running, blueprint, before=was).verdict is Verdict.PASSED
    suspended = Plan(actions=(), phase=Phase.SUSPENDED, serving="r1")
    assert proving.health(KEY, suspended, before=was).verdict is Verdict.NONE
    assert proving.proof(KEY, suspended, blueprint, before=was).verdict is Verdict.NONE
    is_not = {"conditions": [{"type": "Ready", "status": "False"}]}
    assert proving.proof(KEY, running, blueprint, before=is_not).verdict is Verdict.NONE


def test_a_pod_that_is_new_is_asked_rather_than_one_that_has_drawn() -> None:
    async def story() -> None:
        caller, told = Listening(), asyncio.Event()
        prober = Prober(lambda _: told.set())
        prober.proof(KEY, "r1", assumed_of=frozenset({"a", "b"}))
        proving = Proving(cast("Cluster", FakeCluster()), cast("probe.Caller", caller), prober)
        proving.prove(KEY, "r1", a_blueprint(a_pod("a"), a_pod("b"), a_pod("c")))
        await asyncio.wait_for(told.wait(), 5)
        assert caller.addresses == [probe.of_pod(a_pod("c"))]

    asyncio.run(story())
