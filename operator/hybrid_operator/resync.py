"""Lists everything once, then compares what the watch told with the API server and makes up for what was missed.

A watch can die in silence, and kopf never tells of objects that went while it listed anew. Only metadata is compared;
what differs for a while is fetched and handed over like any news. It also notices kinds that come and go.
"""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass

from hybrid_operator import metrics
from hybrid_operator.children import LABEL_NAME
from hybrid_operator.cluster import Cluster
from hybrid_operator.feed import Feed
from hybrid_operator.kinds import CHILDREN, CONFIG_MAP, HYBRID_DIFFUSION, OPTIONAL, Kind
from hybrid_operator.store import Ref, Store, version_of

logger = logging.getLogger(__name__)

_GRACE_SECONDS = 5.0
"""How long the watch may lag behind the API server before that counts as missed."""


class KindsChanged(Exception):
    """A kind was installed or removed, so another watch is needed."""


@dataclass(frozen=True, slots=True)
class _Difference:
    """Objects that the store does not have, has in an older version, or has though they are gone."""

    behind: frozenset[Ref]
    ghosts: frozenset[Ref]

    def persisting(self, later: "_Difference") -> "_Difference":
        return _Difference(self.behind & later.behind, self.ghosts & later.ghosts)


class Resync:
    """One comparer, for the kinds that are watched."""

    def __init__(
        self, cluster: Cluster, store: Store, *, feed: Feed, kinds: Collection[Kind], namespaces: Collection[str]
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._feed = feed
        self._kinds = kinds
        self._namespaces = namespaces or ("",)

    async def begin(self) -> None:
        """Take in everything that is there, and let the feed know: kopf needs a minute for some thousand objects."""
        for kind in self._kinds:
            if kind == CONFIG_MAP:
                continue
            for namespace in self._namespaces:
                async for page in self._cluster.pages(kind, namespace=namespace, labels=_labels(kind)):
                    for each in page:
                        self._feed.seen(kind, each)
        self._feed.complete()

    async def check_kinds(self) -> None:
        """Raise `KindsChanged` if other kinds are installed than are watched."""
        if await present(self._cluster) != set(self._kinds):
            raise KindsChanged

    async def once(self) -> int:
        """Compare everything once, and make up for what was missed; how many changes that were."""
        return sum([await self._compare(kind) for kind in self._kinds if kind != CONFIG_MAP])

    async def _compare(self, kind: Kind) -> int:
        first = await self._differences(kind)
        if not first.behind and not first.ghosts:
            return 0
        await asyncio.sleep(_GRACE_SECONDS)
        missed = first.persisting(await self._differences(kind))
        for ref in (*missed.behind, *missed.ghosts):
            await self._make_up(ref)
        count = len(missed.behind) + len(missed.ghosts)
        metrics.MISSED.labels(kind.name).inc(count)
        if count:
            logger.warning("The watch of %s missed %d changes.", kind.plural, count)
        return count

    async def _differences(self, kind: Kind) -> _Difference:
        live: dict[Ref, tuple[str, int]] = {}
        for namespace in self._namespaces:
            found = await self._cluster.list(kind, namespace=namespace, labels=_labels(kind), only_metadata=True)
            for each in found:
                metadata = each["metadata"]
                live[Ref(kind, metadata["namespace"], metadata["name"])] = (metadata["uid"], version_of(each))
        known = self._store.versions(kind)
        behind = {ref for ref, (_, version) in live.items() if ref not in known or known[ref][1] < version}
        ghosts = {ref for ref, (uid, *_) in known.items() if ref not in live or live[ref][0] != uid}
        return _Difference(frozenset(behind), frozenset(ghosts))

    async def _make_up(self, ref: Ref) -> None:
        known = self._store.get(ref.kind, namespace=ref.namespace, name=ref.name)
        live = await self._cluster.get(ref.kind, namespace=ref.namespace, name=ref.name)
        if known and (live is None or live["metadata"]["uid"] != known["metadata"]["uid"]):
            self._feed.gone(ref.kind, known)
        if live:
            self._feed.seen(ref.kind, live)


def _labels(kind: Kind) -> str:
    return LABEL_NAME if kind in CHILDREN else ""


async def present(cluster: Cluster) -> set[Kind]:
    """The kinds that are installed, of those that are watched."""
    always = {HYBRID_DIFFUSION, CONFIG_MAP, *CHILDREN} - set(OPTIONAL)
    return always | {kind for kind in OPTIONAL if await cluster.knows(kind)}
