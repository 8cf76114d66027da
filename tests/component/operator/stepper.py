"""An operator without a watch, stepped by the test: every fault falls exactly where it is put.

A step looks at what exists, as a process does that just started, and reconciles once. Faults sit between the operator's
cluster client and the API server, at the one seam that every request passes.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from tests.component.operator.player import FakeIngress
from tests.component.operator.world import World

from hybrid_operator import kinds, manifests
from hybrid_operator.announcer import Announcer
from hybrid_operator.bill import Bill
from hybrid_operator.children import LABEL_NAME
from hybrid_operator.cluster import Cluster
from hybrid_operator.cluster_errors import ClusterError, KindMissing, Unreachable
from hybrid_operator.connection import Connection
from hybrid_operator.prober import Prober
from hybrid_operator.proving import Proving
from hybrid_operator.reconcile import Reconciler
from hybrid_operator.store import Key, Store
from hybrid_operator.transport import Answer, HttpTransport, Request, Transport


class Crash(BaseException):
    """The process is gone."""


class Faults:
    """A transport that counts writes, and at one of them does something else than carry it."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.writes: list[str] = []
        self.at: int | None = None
        """Number of the write at which it strikes."""
        self.strike: Callable[[], None] = _crash
        self.answers: list[Answer] = []
        """Given to the next writes instead of the server's."""

    async def send(self, request: Request) -> Answer:
        if request.method == "GET":
            return await self._inner.send(request)
        self.writes.append(f"{request.method} {request.path}")
        if self.answers:
            return self.answers.pop(0)
        answer = await self._inner.send(request)
        if self.at == len(self.writes):
            self.strike()
        return answer


def _crash() -> None:
    raise Crash


def lose_the_reply() -> None:
    """The write happened, and the operator does not know."""
    raise Unreachable("The connection was reset.")


class Stepper:
    """Reconciles resources of one namespace, step by step."""

    def __init__(self, world: World, faults: Faults, *, ingress: FakeIngress) -> None:
        self._world = world
        self._faults = faults
        self._ingress = ingress
        self._offset = timedelta(0)
        self._start()

    def _start(self) -> None:
        self._prober = Prober(lambda _: None)
        self._cluster = Cluster(self._faults, guard=lambda: None)

    async def restart(self) -> None:
        await self._prober.close()
        self._start()

    def pass_time(self, time: timedelta) -> None:
        """Let the operator's clock run ahead of the API server's."""
        self._offset += time

    async def settle(self, name: str, *, play: Callable[[], None], steps: int = 100) -> None:
        """Reconcile until nothing is written and nothing waited for; a crash starts a new process."""
        quiet = 0
        while quiet < 2:  # an answer of the first step is seen by the second
            assert steps > 0, f"`{name}` does not settle: {self._faults.writes[-8:]}"
            steps -= 1
            before = len(self._faults.writes)
            await asyncio.to_thread(play)
            again: timedelta | None = timedelta(0)
            try:
                again = await self.step(name)
            except Crash:
                await self.restart()
            except ClusterError:
                continue
            is_quiet = again is None and len(self._faults.writes) == before and not self._prober.busy()
            quiet = quiet + 1 if is_quiet else 0

    async def step(self, name: str) -> timedelta | None:
        store = Store()
        await asyncio.gather(*(self._look(store, kind, name) for kind in (kinds.HYBRID_DIFFUSION, *kinds.CHILDREN)))
        again = await self._reconciler(store).reconcile(Key(self._world.namespace, name))
        await asyncio.sleep(0.01)
        return again

    async def _look(self, store: Store, kind: kinds.Kind, name: str) -> None:
        labels = f"{LABEL_NAME}={name}" if kind in kinds.CHILDREN else ""
        with suppress(KindMissing):
            for each in await self._cluster.list(kind, namespace=self._world.namespace, labels=labels):
                store.put(kind, each)

    async def close(self) -> None:
        await self._prober.close()

    def _reconciler(self, store: Store) -> Reconciler:
        return Reconciler(
            cluster=self._cluster,
            store=store,
            proving=Proving(self._cluster, self._ingress, self._prober),
            announcer=Announcer(cluster=self._cluster, store=store, identity="test", clock=self._now),
            bill=Bill(began_at=datetime.now(UTC)),
            defaults=manifests.Defaults(image="example/serving:1"),
            clock=self._now,
        )

    def _now(self) -> datetime:
        return datetime.now(UTC) + self._offset


def stepped(
    connection: Connection, world: World, ingress: FakeIngress, story: "Callable[[Stepper, Faults], object]"
) -> None:
    """Run an asynchronous story with a stepper."""

    async def run() -> None:
        async with connection.open_session() as session:
            faults = Faults(HttpTransport(session, server=connection.server, guard=lambda: None))
            stepper = Stepper(world, faults, ingress=ingress)
            try:
                await story(stepper, faults)  # type: ignore[misc]  # stories are coroutines
            finally:
                await stepper.close()

    asyncio.run(run())
