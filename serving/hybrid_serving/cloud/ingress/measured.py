"""What work usually takes and how large answers usually are, as this replica has seen it.

For comparisons and plans where a request brings no measurement of its own; never for what is billed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hybrid_serving.cloud.ingress.dispatch import Booking

_NEWEST_WEIGHT = 8
"""One new measurement in eight: a slow call must not swing the comparison, a new engine must show within a minute."""

_ROWS_A_CALL: Mapping[str, int] = {"encode": 2, "step": 2, "decode": 1}
"""What one image brings to a call."""


@dataclass(slots=True)
class Measured:
    """Nanoseconds a row by segment and kind of item, as the latest bookings had them, or else the engine's profile."""

    nanoseconds: dict[tuple[str, str], int] = field(default_factory=dict)
    picture_bytes: dict[str, int] = field(default_factory=dict)
    """What the last picture of each size came to on the wire."""
    handoff_bytes: int = 0
    """The same of the last handoff."""

    def learn(self, booking: Booking) -> None:
        """Take over what one answer measured."""
        for kind, rows in booking.usage.rows.items():
            if rows:
                measured = booking.usage.nanoseconds.get(kind, 0) // rows
                known = self.nanoseconds.get((booking.segment, kind), measured)
                self.nanoseconds[booking.segment, kind] = known + (measured - known) // _NEWEST_WEIGHT

    def expect(self, segment: str, milliseconds_by_kind: Mapping[str, Mapping[int, float]]) -> None:
        """Take over an engine's profile, by kind of item and bucket, where nothing was measured yet."""
        for kind, milliseconds in milliseconds_by_kind.items():
            rows = _ROWS_A_CALL.get(kind, 1)
            bucket = min((size for size in milliseconds if size >= rows), default=max(milliseconds, default=0))
            if bucket:
                self.nanoseconds.setdefault((segment, kind), round(milliseconds[bucket] * 1e6 / bucket))

    def of(self, kind: str, *, segments: Sequence[str]) -> int | None:
        """The first known time among `segments`; `None` where none was measured."""
        known = (self.nanoseconds.get((segment, kind)) for segment in segments)
        return next((time for time in known if time is not None), None)
