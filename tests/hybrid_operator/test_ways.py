"""Every ordered pair of changes: what a resource has come to does not depend on where it came from.

One walk goes through all pairs, so that each state is reached from each other one; it must equal the state of a
resource that was made so. In memory; seeded pairs are walked on a real API server, too.
"""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from tests.hybrid_operator.fake_cluster import FakeCluster, Manifest, play
from tests.hybrid_operator.variants import sample, variants

from hybrid_operator import kinds, manifests
from hybrid_operator.announcer import Announcer
from hybrid_operator.bill import Bill
from hybrid_operator.cluster import Cluster
from hybrid_operator.observed import Answer, Verdict
from hybrid_operator.prober import Prober
from hybrid_operator.proving import Proving
from hybrid_operator.reconcile import Reconciler
from hybrid_operator.store import Key, Store

KEY = Key("default", "shapes")
_MOVING = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "observedGeneration")


class Content(Prober):
    """Whatever it asks answers well, and at once."""

    def health(self, *_: Any, **__: Any) -> Answer:
        return Answer(verdict=Verdict.PASSED)

    def proof(self, *_: Any, **__: Any) -> Answer:
        return Answer(verdict=Verdict.PASSED)

    def prove(self, *_: Any, **__: Any) -> None:
        """It is proven."""


class Silent:
    """A caller that reaches nobody, so that nobody knows what is in flight."""

    async def ask(self, *_: Any, **__: Any) -> tuple[int, bytes]:
        raise TimeoutError


class Resource:
    """One resource in a cluster of its own, whose clock goes on with every step."""

    def __init__(self, spec: Manifest) -> None:
        self.now = datetime(2026, 11, 1, tzinfo=UTC)
        self.cluster = FakeCluster(now=lambda: self.now)
        for document in sample()[1:]:
            self.cluster.put(document)
        self.resource = sample()[0]
        self.change(spec)

    def change(self, spec: Manifest) -> None:
        self.resource["spec"] = spec
        known = self.cluster.objects.get(("HybridDiffusion", "shapes"), {})
        self.cluster.put({**self.resource, "status": known.get("status", {})})

    async def settle(self) -> None:
        """Step until nothing is written and nothing waited for."""
        for _ in range(20):
            play(self.cluster)
            before = len(self.cluster.writes)
            if await self._step() is None and len(self.cluster.writes) == before:
                return
        raise AssertionError(f"it does not settle: {self.cluster.writes[-6:]}")

    def state(self) -> str:
        """Everything there is, without what differs between any two resources."""
        found = [_still(each) for _, each in sorted(self.cluster.objects.items())]
        return json.dumps(found, sort_keys=True, indent=1)

    def status(self) -> Manifest:
        """As it was written last."""
        return cast("Manifest", self.cluster.objects["HybridDiffusion", "shapes"]["status"])

    async def _step(self) -> timedelta | None:
        store, cluster = Store(), cast("Cluster", self.cluster)
        for kind in (kinds.HYBRID_DIFFUSION, *kinds.CHILDREN):
            for each in self.cluster.all(kind):
                store.put(kind, each)
        self.now += timedelta(seconds=5)
        return await Reconciler(
            cluster=cluster,
            store=store,
            proving=Proving(cluster, Silent(), Content(lambda _: None)),
            announcer=Announcer(cluster=cluster, store=store, identity="test", clock=lambda: self.now),
            bill=Bill(began_at=datetime.now(UTC)),
            defaults=manifests.Defaults(image="example/serving:1"),
            clock=lambda: self.now,
        ).reconcile(KEY)


def _still(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if key not in _MOVING and not key.endswith("Time")}
        if kept.get("kind") == "Secret":
            kept["data"] = sorted(kept.get("data", {}))
        if kept.get("kind") == "ControllerRevision":
            kept.pop("revision")
        return {key: _still(inner) for key, inner in kept.items()}
    return [_still(each) for each in value] if isinstance(value, list) else value


def walk(names: list[str]) -> Iterator[str]:
    """A way along every ordered pair exactly once: an Eulerian circuit of the complete graph (Hierholzer)."""
    ahead = {name: [other for other in names if other != name] for name in names}
    stack, circuit = [names[0]], []
    while stack:
        if ahead[stack[-1]]:
            stack.append(ahead[stack[-1]].pop())
        else:
            circuit.append(stack.pop())
    return reversed(circuit)


def test_where_a_resource_came_from_leaves_no_trace() -> None:
    specs = variants()
    assert len(specs) >= 20

    async def story() -> None:
        fresh = {name: Resource(spec) for name, spec in specs.items()}
        for resource in fresh.values():
            await resource.settle()
        wanted = {name: resource.state() for name, resource in fresh.items()}
        steps = list(walk(list(specs)))
        assert len(steps) == len(specs) * (len(specs) - 1) + 1
        moving, before = fresh[steps[0]], steps[0]
        for name in steps[1:]:
            moving.change(specs[name])
            await moving.settle()
            if name == "suspended":  # keeps what it comes back to
                assert not moving.cluster.all(kinds.RAY_SERVICE)
            else:
                assert moving.state() == wanted[name], f"from `{before}` to `{name}`"
            before = name

    asyncio.run(story())
