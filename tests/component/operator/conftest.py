"""A namespace for each test, and an operator inside the test's process."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.component.operator.planes import a_world, connected, install_kuberay, install_ours
from tests.component.operator.player import FakeIngress, Player
from tests.component.operator.world import World, until

from e2e.cluster.control_plane import ControlPlane
from hybrid_operator import kinds
from hybrid_operator.cluster import Cluster
from hybrid_operator.connection import Connection
from hybrid_operator.health import Health
from hybrid_operator.settings import Settings
from hybrid_operator.term import Term
from hybrid_operator.transport import HttpTransport


@pytest.fixture(scope="session")
def ready_plane(plane: ControlPlane) -> ControlPlane:
    """The API server with everything defined that an operator needs."""
    install_ours(plane)
    install_kuberay(plane)
    return plane


@pytest.fixture
def world(ready_plane: ControlPlane) -> Iterator[World]:
    """A namespace of its own; what a test leaves in it is deleted in the end."""
    world = a_world(ready_plane)
    namespace = world.namespace
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    until(lambda: world.request("GET", accounts)["items"], what="the default service account")
    yield world
    for resource in world.all(kinds.HYBRID_DIFFUSION):
        world.delete(kinds.HYBRID_DIFFUSION, resource["metadata"]["name"])
    world.close()


@pytest.fixture
def player(world: World) -> Iterator[Player]:
    with Player(world) as player:
        yield player


@pytest.fixture
def ingress() -> FakeIngress:
    return FakeIngress()


@pytest.fixture
def connection(plane: ControlPlane) -> Connection:
    return connected(plane)


class RunningOperator:
    """A term of the operator in a thread of its own."""

    def __init__(self, connection: Connection, *, settings: Settings, ingress: FakeIngress) -> None:
        self._connection = connection
        self._settings = settings
        self._ingress = ingress
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._task: asyncio.Task[None] | None = None
        self.error: BaseException | None = None
        self.health = Health(settings.resync_seconds, self._loop.time, self._loop.time)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        until(lambda: self._task is not None or not self._thread.is_alive(), what="the operator's task")
        if self._task is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(timeout=30)
        assert not self._thread.is_alive(), "the operator did not stop"

    def why_unready(self) -> str | None:
        """As its probe would say."""

        async def ask() -> str | None:
            return self.health.why_unready()

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result(timeout=10)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._operate())
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            logging.getLogger(__name__).exception("The operator ended.")
            self.error = error
        finally:
            self._loop.close()

    async def _operate(self) -> None:
        self._task = asyncio.current_task()
        async with self._connection.open_session() as session:
            transport = HttpTransport(session, server=self._connection.server, guard=_free)
            term = Term(
                settings=self._settings,
                connection=self._connection,
                cluster=Cluster(transport, guard=_free),
                caller=self._ingress,
                health=self.health,
            )
            await term.run()


def _free() -> None:
    """No Lease: there is only one."""


Starter = Callable[..., Any]


@pytest.fixture
def start_operator(request: pytest.FixtureRequest, ingress: FakeIngress) -> Iterator[Starter]:
    """Starts operators for the test's namespace, or another; all are stopped in the end, and none may have failed."""
    running: list[RunningOperator] = []

    def start(elsewhere: World | None = None, **more: Any) -> RunningOperator:
        world = elsewhere or request.getfixturevalue("world")
        settings = Settings(
            namespace=world.namespace,
            identity="test",
            serving_image="example/serving:1",
            watch_namespaces=(world.namespace,),
            **more,
        )
        operator = RunningOperator(connected(world.plane), settings=settings, ingress=ingress)
        operator.start()
        running.append(operator)
        return operator

    yield start
    for operator in running:
        operator.stop()
        assert operator.error is None


@pytest.fixture
def operator(start_operator: Starter) -> RunningOperator:
    started: RunningOperator = start_operator()
    return started
