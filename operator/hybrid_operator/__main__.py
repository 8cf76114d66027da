"""Runs the operator: `python -m hybrid_operator`.

Reads the environment, waits to lead, reconciles, and on SIGTERM lets another lead at once. Ends with 0 when it was
asked to, with 1 otherwise: Kubernetes then starts it anew.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from contextlib import AsyncExitStack

import aiohttp

from hybrid_operator import connection, logs, probe, server
from hybrid_operator.cluster import Cluster
from hybrid_operator.connection import Connection, NoConnectionError
from hybrid_operator.health import Health
from hybrid_operator.leader import Leader, LeadershipLost
from hybrid_operator.probe import Caller, DirectCaller, ProxyCaller
from hybrid_operator.settings import Settings, SettingsError
from hybrid_operator.term import Term
from hybrid_operator.transport import HttpTransport

logger = logging.getLogger("hybrid_operator")


def main() -> int:
    """Run until told to stop."""
    logs.configure()
    try:
        settings = Settings.from_environment(os.environ)
        return asyncio.run(_run(settings, connection.find()))
    except (SettingsError, NoConnectionError) as error:
        logger.error("%s", error)
        return 1


async def _run(settings: Settings, to: Connection) -> int:
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(to.open_session())
        leader = _leader(settings, to, session)
        health = Health(settings.resync_seconds, lambda: leader.asked_at, time.monotonic)
        ports = {"health_port": settings.health_port, "metrics_port": settings.metrics_port}
        await stack.enter_async_context(server.serving(health, **ports))
        transport = HttpTransport(session, server=to.server, guard=leader.check)
        cluster = Cluster(transport, guard=leader.check)
        caller = await _caller(settings, cluster, stack)
        term = Term(settings=settings, connection=to, cluster=cluster, caller=caller, health=health)
        return await _lead(leader, term)


async def _lead(leader: Leader, term: Term) -> int:
    """Wait for leadership, use it, give it back. Whoever ends first ends all."""
    stopped = asyncio.create_task(_stop_signal(), name="signals")
    leading = asyncio.create_task(_use(leader, term), name="leader")
    try:
        await asyncio.wait({stopped, leading}, return_when=asyncio.FIRST_COMPLETED)
        if stopped.done():
            logger.info("Told to stop.")
            return 0
        leading.result()
    except* LeadershipLost as lost:
        logger.error("%s Ending, so that nothing more is written.", lost.exceptions[0])
    except* Exception:
        logger.exception("Ending, because something is broken.")
    finally:
        leading.cancel()
        stopped.cancel()
        await asyncio.gather(leading, stopped, return_exceptions=True)
        await leader.release()
    return 1


async def _use(leader: Leader, term: Term) -> None:
    await leader.acquire()
    async with asyncio.TaskGroup() as group:
        group.create_task(leader.keep(), name="lease")
        group.create_task(term.run(), name="term")


async def _stop_signal() -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await told.wait()


def _leader(settings: Settings, to: Connection, session: aiohttp.ClientSession) -> Leader:
    transport = HttpTransport(session, server=to.server, guard=_anybody)
    return Leader(
        Cluster(transport, guard=_anybody),
        namespace=settings.namespace,
        name=settings.lease_name,
        identity=settings.identity,
        clock=time.monotonic,
    )


def _anybody() -> None:
    """The Lease is asked for by everybody."""


async def _caller(settings: Settings, cluster: Cluster, stack: AsyncExitStack) -> Caller:
    if settings.ray_via_proxy:
        return ProxyCaller(cluster)
    return DirectCaller(await stack.enter_async_context(probe.open_session()))


if __name__ == "__main__":
    sys.exit(main())
