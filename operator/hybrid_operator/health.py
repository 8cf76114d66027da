"""Whether the operator works, judged by what it did last rather than by whether it still breathes.

`/healthz` asks for a restart, `/readyz` only tells. Facts come in as plain calls; nothing is asked here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

_STUCK_SECONDS = 300.0
"""A reconcile takes seconds; one that waited or worked this long will not come back by itself."""
_LEASE_SECONDS = 60.0
_ROUNDS_MISSED = 2
"""So many comparisons in a row that found missed changes: the watch is dead, not late."""


@dataclass(slots=True)
class Health:
    """What is known about the operator's own work."""

    resync_seconds: float
    lease_asked_at: Callable[[], float]
    """When the API server last answered about the Lease."""
    clock: Callable[[], float]
    longest_wait: Callable[[], float] | None = None
    """How long the most overdue resource has waited; absent in a process that does not lead."""
    resynced_at: float | None = None
    missed_rounds: int = 0
    started_at: float = field(default=0.0)

    def leads(self, longest_wait: Callable[[], float]) -> None:
        """From now on this process reconciles."""
        self.longest_wait, self.resynced_at, self.missed_rounds = longest_wait, None, 0
        self.started_at = self.clock()

    def resynced(self, *, missed: int) -> None:
        """A comparison with the API server came to its end."""
        self.resynced_at = self.clock()
        self.missed_rounds = self.missed_rounds + 1 if missed else 0

    def why_dead(self) -> str | None:
        """Why a restart is needed; `None` while none is."""
        if self.longest_wait is None:
            return None
        if (waited := self.longest_wait()) > _STUCK_SECONDS:
            return f"A resource has waited for {waited:.0f} s."
        if self.missed_rounds >= _ROUNDS_MISSED:
            return f"The watch missed changes in {self.missed_rounds} comparisons in a row."
        since = self.clock() - (self.resynced_at if self.resynced_at is not None else self.started_at)
        if since > 3 * self.resync_seconds + _STUCK_SECONDS:
            return f"The last comparison with the API server ended {since:.0f} s ago."
        return None

    def why_unready(self) -> str | None:
        """Why this process could not do its work now; `None` while it could."""
        since = self.clock() - self.lease_asked_at()
        if since > _LEASE_SECONDS:
            return "The API server has not answered about the Lease lately."
        if self.longest_wait is None:
            return None
        if self.resynced_at is None:
            return "What exists was not read yet."
        if self.missed_rounds:
            return "The watch misses changes."
        return self.why_dead()
