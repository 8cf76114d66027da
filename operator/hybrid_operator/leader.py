"""Who reconciles: the holder of a Lease. Taken, renewed, released, and never believed for longer than it was renewed.

The protocol is client-go's leader election: a Lease is taken over only if its holder did not renew it for its whole
duration, by the clock of who wants it. The holder stops writing some seconds earlier, by its own clock.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hybrid_operator import kinds, metrics
from hybrid_operator.cluster import Cluster
from hybrid_operator.cluster_errors import ClusterError, NotLeading

logger = logging.getLogger(__name__)

DURATION_SECONDS = 15
"""After this long without a renewal, another may take the Lease."""
DEADLINE_SECONDS = 10.0
"""After this long without a renewal, the holder writes nothing more."""
RETRY_SECONDS = 2.0
_ATTEMPT_SECONDS = 4.0

Manifest = dict[str, Any]
Monotonic = Callable[[], float]


class LeadershipLost(RuntimeError):
    """The Lease could not be renewed in time, or somebody else has it."""


@dataclass(slots=True)
class _Seen:
    """A foreign Lease, and since when it is unchanged by our clock."""

    version: str
    since: float


class Leader:
    """One candidate. Its cluster must not be guarded by it."""

    def __init__(self, cluster: Cluster, *, namespace: str, name: str, identity: str, clock: Monotonic) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._clock = clock
        self._held: Manifest | None = None
        self._renewed_at = float("-inf")
        self._seen: _Seen | None = None
        self.asked_at = float("-inf")
        """When the API server last answered about the Lease, by the clock given."""

    def is_leading(self) -> bool:
        """Whether this process may write now. A stopped process finds its time run out when it goes on."""
        return self._held is not None and self._clock() < self._renewed_at + DEADLINE_SECONDS

    def check(self) -> None:
        """Raise `NotLeading` unless this process may write now."""
        if not self.is_leading():
            raise NotLeading("The Lease was not renewed in time, so another operator may lead; nothing was written.")

    async def acquire(self) -> None:
        """Return once the Lease is ours."""
        while not await self._attempt():  # noqa: ASYNC110  the event is in the API server
            await asyncio.sleep(RETRY_SECONDS)
        metrics.IS_LEADER.set(1)
        logger.info("%s leads with Lease %s/%s.", self._identity, self._namespace, self._name)

    async def keep(self) -> None:
        """Renew for ever; raises `LeadershipLost`."""
        while self.is_leading():
            await asyncio.sleep(RETRY_SECONDS)
            await self._attempt()
        metrics.IS_LEADER.set(0)
        raise LeadershipLost(f"Lease {self._namespace}/{self._name} is lost.")

    async def release(self) -> None:
        """Let the next candidate in at once, if the Lease is still ours; who lost it writes nothing more."""
        held, self._held = self._held if self.is_leading() else None, None
        metrics.IS_LEADER.set(0)
        if held is None:
            return
        spec = {**held["spec"], "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
        try:
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                await self._cluster.replace({**held, "spec": spec})
        except (ClusterError, TimeoutError) as error:
            logger.warning("The Lease could not be released; it runs out in %d s: %s", DURATION_SECONDS, error)

    async def _attempt(self) -> bool:
        """Take or renew the Lease; whether it is ours now."""
        started = self._clock()
        try:
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                lease = await self._take_or_renew(started)
        except (ClusterError, TimeoutError) as error:
            logger.warning("The Lease could not be taken or renewed: %s", str(error) or "no answer in time")
            return False
        self.asked_at = started
        self._held = lease
        if lease is not None:
            self._renewed_at = started
        return lease is not None

    async def _take_or_renew(self, started: float) -> Manifest | None:
        """The Lease if it is ours now. A conflict means that somebody was faster, and is an error of this attempt."""
        lease = await self._cluster.get(kinds.LEASE, namespace=self._namespace, name=self._name)
        if self._clock() > started + _ATTEMPT_SECONDS:
            raise TimeoutError  # frozen meanwhile, so what was read is old
        if lease is None:
            return await self._cluster.create(self._new())
        spec = lease.get("spec") or {}
        if spec.get("holderIdentity") == self._identity:
            return await self._cluster.replace({**lease, "spec": {**spec, **self._terms(), "renewTime": _now()}})
        if spec.get("holderIdentity") and not self._has_run_out(lease):
            return None
        transitions = int(spec.get("leaseTransitions") or 0) + 1
        taken = {**spec, **self._terms(), "acquireTime": _now(), "renewTime": _now(), "leaseTransitions": transitions}
        return await self._cluster.replace({**lease, "spec": taken})

    def _has_run_out(self, lease: Manifest) -> bool:
        version = lease["metadata"]["resourceVersion"]
        if self._seen is None or self._seen.version != version:
            self._seen = _Seen(version, self._clock())
        return self._clock() - self._seen.since > float(lease["spec"].get("leaseDurationSeconds") or DURATION_SECONDS)

    def _new(self) -> Manifest:
        times = {"acquireTime": _now(), "renewTime": _now(), "leaseTransitions": 0}
        return {
            "apiVersion": kinds.LEASE.api_version,
            "kind": kinds.LEASE.name,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {**self._terms(), **times},
        }

    def _terms(self) -> Manifest:
        return {"holderIdentity": self._identity, "leaseDurationSeconds": DURATION_SECONDS}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
