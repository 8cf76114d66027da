"""Everything that runs while this process leads: watch, queue, prober, comparison. It ends as a whole.

A watch is over a fixed set of kinds; when one is installed or removed, or the watch breaks, everything but the process
begins anew.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hybrid_operator import manifests, metrics, resync
from hybrid_operator.announcer import Announcer
from hybrid_operator.bill import Bill
from hybrid_operator.cluster import Cluster
from hybrid_operator.cluster_errors import ClusterError
from hybrid_operator.connection import Connection
from hybrid_operator.feed import Feed
from hybrid_operator.handlers import Watch, WatchBroken, watched
from hybrid_operator.health import Health
from hybrid_operator.kinds import Kind
from hybrid_operator.last_words import LastWords
from hybrid_operator.price_folder import PriceFolder
from hybrid_operator.probe import Caller
from hybrid_operator.prober import Prober
from hybrid_operator.proving import Proving
from hybrid_operator.queue import Queue, Work
from hybrid_operator.reconcile import Reconciler
from hybrid_operator.settings import Settings
from hybrid_operator.store import Key, Store

logger = logging.getLogger(__name__)

_AT_ONCE = 16
"""Resources worked on at the same time."""
_CLOSE_SECONDS = 4.0
_TRY_AGAIN_SECONDS = 2.0
_KINDS_SECONDS = 15.0
_BILL_SECONDS = 5.0
_COMPARISONS_A_LOOK = 2
"""So that looking costs an operator of hundreds of resources a tenth of a core, and not a quarter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One leadership."""

    settings: Settings
    connection: Connection
    cluster: Cluster
    caller: Caller
    health: Health

    async def run(self) -> None:
        """Reconcile until cancelled."""
        while True:
            try:
                await self._run(await resync.present(self.cluster))
            except* resync.KindsChanged:
                logger.info("Kinds were installed or removed; beginning anew.")
            except* (WatchBroken, ClusterError) as broken:
                logger.warning("Beginning anew: %s", "; ".join(map(str, broken.exceptions)))
                await asyncio.sleep(_TRY_AGAIN_SECONDS)

    async def _run(self, kinds: set[Kind]) -> None:
        logger.info("Watching %s.", ", ".join(sorted(kind.plural for kind in kinds)))
        store = Store()
        queue = Queue(_later(lambda: reconciler), at_once=_AT_ONCE, random_source=random.Random())
        prober, bill = Prober(queue.add), Bill(began_at=_now())
        folder = PriceFolder(self.settings.prices_path)
        last_words = LastWords()
        reconciler = self._reconciler(store, prober, bill, folder, last_words)
        feed = Feed(store, queue, last_words)
        namespaces = self.settings.watch_namespaces
        watch = Watch(self.connection, kinds=watched(kinds), namespaces=namespaces, listener=feed)
        comparer = resync.Resync(self.cluster, store, feed=feed, kinds=kinds, namespaces=namespaces)
        self.health.leads(queue.longest_wait_seconds)
        try:
            await comparer.begin()
            async with asyncio.TaskGroup() as group:
                group.create_task(watch.run(), name="watch")
                group.create_task(self._compare(comparer, feed), name="resync")
                group.create_task(_every(_KINDS_SECONDS, comparer.check_kinds), name="kinds")
                group.create_task(_every(1.0, lambda: _show(queue)), name="metrics")
                group.create_task(_every(_BILL_SECONDS, lambda: _look(bill, store)), name="bill")
                group.create_task(_every(_KINDS_SECONDS, lambda: _notice(folder, feed)), name="prices")
        finally:
            await queue.close(within_seconds=_CLOSE_SECONDS)
            await prober.close()

    def _reconciler(
        self, store: Store, prober: Prober, bill: Bill, folder: PriceFolder, last_words: LastWords
    ) -> Reconciler:
        return Reconciler(
            cluster=self.cluster,
            store=store,
            proving=Proving(self.cluster, self.caller, prober),
            announcer=Announcer(cluster=self.cluster, store=store, identity=self.settings.identity, clock=_now),
            bill=bill,
            defaults=manifests.Defaults(image=self.settings.serving_image, pull_secrets=self.settings.pull_secrets),
            clock=_now,
            last_words=last_words,
            default_prices=folder.read,
        )

    async def _compare(self, comparer: resync.Resync, feed: Feed) -> None:
        """Compare for ever, at once for what went before the watch began.

        With every second one each resource is looked at, too: what it refers to is watched by nobody.
        """
        comparisons = 0
        while True:
            try:
                missed = await comparer.once()
            except ClusterError as error:
                # Nothing is known to be missed; that comparisons come to no end is told by the time since the last one.
                logger.warning("The comparison with the API server failed: %s", error)
                await asyncio.sleep(_TRY_AGAIN_SECONDS)
                continue
            self.health.resynced(missed=missed)
            comparisons += 1
            if comparisons % _COMPARISONS_A_LOOK == 0:
                feed.look_at_all(within_seconds=_COMPARISONS_A_LOOK * self.settings.resync_seconds)
            await asyncio.sleep(self.settings.resync_seconds)


def _later(reconciler: Callable[[], Reconciler]) -> Work:
    """The queue's work, before there is a reconciler: it needs the prober, which needs the queue."""

    async def work(key: Key) -> timedelta | None:
        return await reconciler().reconcile(key)

    return work


def _now() -> datetime:
    return datetime.now(UTC)


async def _show(queue: Queue) -> None:
    metrics.WAITING.set(queue.waiting())


async def _notice(folder: PriceFolder, feed: Feed) -> None:
    """New prices concern every resource that names none; the others lose nothing by being looked at."""
    if folder.has_changed():
        feed.look_at_all(within_seconds=_KINDS_SECONDS)


async def _look(bill: Bill, store: Store) -> None:
    bill.look(store.pods(), now=_now(), ticks=time.monotonic())


async def _every(seconds: float, do: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await do()
        except ClusterError as error:
            logger.warning("The API server could not be asked: %s", error)
