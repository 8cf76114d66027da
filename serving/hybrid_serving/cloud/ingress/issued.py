"""What this replica remembers of handoffs it gave out, so that fallbacks and reports are added to the same bill.

Bounded in number and age; forgetting costs a figure in an answer, never a picture.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hybrid_serving.cloud.ingress.dispatch import Booking
from hybrid_serving.cloud.ingress.orders import Order

_LIMIT = 2_000


@dataclass(slots=True, kw_only=True)
class Record:
    """One handoff that is out."""

    order: Order
    bookings: tuple[Booking, ...]
    """What the cloud did before the device."""
    egress_bytes: int
    forget_at: float
    is_settled: bool = False
    """Whether the picture was counted, however it was finished."""


class Issued:
    """The handoffs that are out, oldest first."""

    def __init__(self, *, limit: int = _LIMIT, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._records: dict[str, Record] = {}

    def add(
        self, handoff_id: str, *, order: Order, bookings: Sequence[Booking], egress_bytes: int, seconds: float
    ) -> None:
        """Remember a handoff for `seconds`."""
        self._forget()
        self._records[handoff_id] = Record(
            order=order, bookings=tuple(bookings), egress_bytes=egress_bytes, forget_at=self._clock() + seconds
        )

    def get(self, handoff_id: str) -> Record | None:
        """What is remembered; `None` for handoffs of another replica, and for old ones."""
        self._forget()
        return self._records.get(handoff_id)

    def settle(self, handoff_id: str) -> Record | None:
        """The same, for a picture that the cloud finishes and counts itself."""
        record = self.get(handoff_id)
        if record is not None:
            record.is_settled = True
        return record

    def _forget(self) -> None:
        now = self._clock()
        for handoff_id, record in list(self._records.items()):
            if record.forget_at > now and len(self._records) <= self._limit:
                break
            del self._records[handoff_id]
