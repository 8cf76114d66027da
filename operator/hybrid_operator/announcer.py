"""Tells people what became of a resource: its status, an Event for each change, its gauges; nothing without a change.

It words nothing and decides nothing; conditions come from `status`.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hybrid_operator import conditions, events, kinds, metrics
from hybrid_operator.cluster import Cluster
from hybrid_operator.cluster_errors import AlreadyExists, ClusterError, NotFound, NotLeading
from hybrid_operator.conditions import Condition
from hybrid_operator.store import Store

logger = logging.getLogger(__name__)

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcer:
    """Who writes statuses and Events."""

    cluster: Cluster
    store: Store
    identity: str
    clock: Callable[[], datetime]

    async def say(self, live: Manifest, rest: Manifest, said: Iterable[Condition]) -> None:
        """Make conditions and `rest` the status of the resource, seen as `live`."""
        before, now, generation = live.get("status") or {}, self.clock(), live["metadata"]["generation"]
        known = before.get("conditions", [])
        merged = conditions.merged(known, said, generation=generation, now=now)
        for condition in merged:
            told = {"type_": condition["type"], "status": condition["status"], "reason": condition["reason"]}
            metrics.show_condition(live, **told)
        metrics.show_engines(live, rest.get("segments", ()))
        after = {**rest, "observedGeneration": generation, "conditions": merged}
        if after == before:
            return
        for each in events.worth_telling(conditions.changed(known, merged)):
            if not known and each["type"] != "Stalled":
                continue  # what is first said of a new resource is no change
            await self._tell(events.of_change(each, about=live, identity=self.identity, now=now))
        await self._write(live, after)

    async def _write(self, live: Manifest, after: Manifest) -> None:
        metadata = {name: live["metadata"][name] for name in ("name", "namespace", "uid")}
        manifest = {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata, "status": after}
        try:
            written = await self.cluster.apply_status(manifest)
        except NotFound:
            self.store.drop(kinds.HYBRID_DIFFUSION, live)
            return
        metrics.WRITES.labels(kinds.HYBRID_DIFFUSION.name, "status").inc()
        # What somebody changed since `live` is left to the watch: it has the resource looked at, this would hide it.
        if _asks_for_the_same(live, written):
            self.store.put(kinds.HYBRID_DIFFUSION, written)

    async def _tell(self, event: Manifest) -> None:
        """Events are for people; that one is lost must not keep anything from being done."""
        try:
            await self.cluster.record(event)
        except (AlreadyExists, NotLeading):
            return
        except ClusterError as error:
            logger.warning("An Event could not be posted: %s", error)


def _asks_for_the_same(one: Manifest, other: Manifest) -> bool:
    """Whether both ask the operator for the same, whatever their statuses say."""
    asked = ("uid", "generation", "annotations", "deletionTimestamp")
    return all(one["metadata"].get(name) == other["metadata"].get(name) for name in asked)
