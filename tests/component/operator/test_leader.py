"""Leadership against a real API server's Lease, with clocks that the test moves."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.component.operator.world import World

from hybrid_operator import kinds
from hybrid_operator.cluster import Cluster
from hybrid_operator.cluster_errors import NotLeading
from hybrid_operator.connection import Connection
from hybrid_operator.leader import DEADLINE_SECONDS, DURATION_SECONDS, Leader
from hybrid_operator.transport import HttpTransport

pytestmark = pytest.mark.component


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


MakeLeader = Callable[[str, Clock], Leader]


def run(connection: Connection, world: World, story: Callable[[MakeLeader], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with connection.open_session() as session:
            transport = HttpTransport(session, server=connection.server, guard=lambda: None)
            cluster = Cluster(transport, guard=lambda: None)

            def make(identity: str, clock: Clock) -> Leader:
                return Leader(cluster, namespace=world.namespace, name="lease", identity=identity, clock=clock)

            await story(make)

    asyncio.run(whole())


def holder(world: World) -> str:
    return str(world.get(kinds.LEASE, "lease")["spec"]["holderIdentity"])


def test_the_first_to_come_leads_and_the_second_does_not(connection: Connection, world: World) -> None:
    async def story(make: MakeLeader) -> None:
        first, second = make("one", Clock()), make("two", Clock())
        await first.acquire()
        assert first.is_leading()
        assert not await second._attempt()
        assert not second.is_leading()
        assert holder(world) == "one"

    run(connection, world, story)


def test_a_lease_runs_out_by_the_clock_of_who_wants_it(connection: Connection, world: World) -> None:
    async def story(make: MakeLeader) -> None:
        clock = Clock()
        first, second = make("one", Clock()), make("two", clock)
        await first.acquire()
        assert not await second._attempt()
        clock.now += DURATION_SECONDS - 1
        assert not await second._attempt()
        await first._attempt()  # renewed in time
        clock.now += 2
        assert not await second._attempt()
        clock.now += DURATION_SECONDS + 1
        assert await second._attempt()
        assert holder(world) == "two"
        assert world.get(kinds.LEASE, "lease")["spec"]["leaseTransitions"] == 1

    run(connection, world, story)


def test_the_holder_stops_writing_before_anybody_else_may_begin(connection: Connection, world: World) -> None:
    async def story(make: MakeLeader) -> None:
        clock = Clock()
        leader = make("one", clock)
        with pytest.raises(NotLeading):
            leader.check()
        await leader.acquire()
        leader.check()
        clock.now += DEADLINE_SECONDS
        with pytest.raises(NotLeading):
            leader.check()
        assert DEADLINE_SECONDS < DURATION_SECONDS

    run(connection, world, story)


def test_a_released_lease_is_taken_at_once(connection: Connection, world: World) -> None:
    async def story(make: MakeLeader) -> None:
        first, second = make("one", Clock()), make("two", Clock())
        await first.acquire()
        await first.release()
        assert not first.is_leading()
        assert await second._attempt()
        await first.release()  # nothing is left to release
        assert holder(world) == "two"

    run(connection, world, story)


def test_a_lease_that_ran_out_is_not_released(connection: Connection, world: World) -> None:
    """Somebody else may have it by now; a holder that was frozen must not write even that."""

    async def story(make: MakeLeader) -> None:
        clock = Clock()
        leader = make("one", clock)
        await leader.acquire()
        before = world.get(kinds.LEASE, "lease")["metadata"]["resourceVersion"]
        clock.now += DEADLINE_SECONDS
        await leader.release()
        assert world.get(kinds.LEASE, "lease")["metadata"]["resourceVersion"] == before

    run(connection, world, story)


def test_a_holder_that_is_frozen_between_reading_and_writing_does_not_write(
    connection: Connection, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(make: MakeLeader) -> None:
        clock = Clock()
        leader = make("one", clock)
        await leader.acquire()
        before = world.get(kinds.LEASE, "lease")["metadata"]["resourceVersion"]
        get = Cluster.get

        async def freeze(*about: Any, **more: Any) -> Any:
            found = await get(*about, **more)
            clock.now += 60
            return found

        monkeypatch.setattr(Cluster, "get", freeze)
        assert not await leader._attempt()
        monkeypatch.undo()
        assert world.get(kinds.LEASE, "lease")["metadata"]["resourceVersion"] == before

    run(connection, world, story)


def test_who_comes_back_to_a_lease_of_another_does_not_lead(connection: Connection, world: World) -> None:
    async def story(make: MakeLeader) -> None:
        clock, theirs = Clock(), Clock()
        first, second = make("one", clock), make("two", theirs)
        await first.acquire()
        assert not await second._attempt()
        theirs.now += DURATION_SECONDS + 1
        assert await second._attempt()
        assert not await first._attempt()
        assert not first.is_leading()
        await first.release()
        assert holder(world) == "two"

    run(connection, world, story)


def test_of_two_that_take_a_free_lease_at_once_one_leads(connection: Connection, world: World) -> None:
    async def story(make: MakeLeader) -> None:
        candidates = [make(str(number), Clock()) for number in range(5)]
        await asyncio.gather(*(each._attempt() for each in candidates))
        assert sum(each.is_leading() for each in candidates) == 1

    run(connection, world, story)
