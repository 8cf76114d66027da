"""What an image cost, and what it would have cost had the first segment made it alone.

Integer nanoseconds and decimal money, priced by `hybrid_api.cost`. A saving is never shown without the inputs that it
was computed from, so before the first segment was ever measured there is none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hybrid_api import cost
from hybrid_api.prices import PriceList
from hybrid_serving.cloud.ingress.dispatch import Booking
from hybrid_serving.cloud.ingress.measured import Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What was booked for the images of one request, and everything needed to price it."""

    bookings: Sequence[Booking]
    steps: int
    """Of a whole trajectory."""
    rows_a_step: int
    images: int
    segments: Sequence[str]
    """In denoising order."""
    resources: Mapping[str, cost.Resources]
    prices: PriceList | None
    egress_bytes: int
    """What was sent to the client."""
    picture_bytes: int
    """What the pictures would have been, had they been sent; with their previews."""
    edge_seconds: Decimal | None = None
    is_whole: bool = True
    """Whether all that the pictures took is among the bookings; a part is not compared with a whole."""

    def document(self, measured: Measured) -> dict[str, Any]:
        """JSON form; engine time always, money where there is a price list, a saving where there is a comparison."""
        booked = {
            "nanoseconds": self._nanoseconds(),
            "rows": self._rows(),
            "egress_bytes": self.egress_bytes,
            "edge_seconds": None if self.edge_seconds is None else str(self.edge_seconds),
        }
        if self.prices is None:
            return booked
        alternative = self._all_cloud(measured) if self.is_whole else None
        if alternative is None:
            return {**booked, "currency": self.prices.currency, "cloud": self._spent(self.prices), "saving": None}
        report = cost.report(
            self._nanoseconds(),
            resources=self.resources,
            all_cloud=alternative,
            all_cloud_on=self.resources[self.segments[0]],
            prices=self.prices,
            egress_bytes=self.egress_bytes,
            all_cloud_egress_bytes=self.picture_bytes,
            edge_seconds=self.edge_seconds,
        )
        document = {**booked, **report.document()}
        document["all_cloud_inputs"]["egress_bytes"] = self.picture_bytes
        return document

    def _all_cloud(self, measured: Measured) -> cost.AllCloud | None:
        """The alternative: every step on the first segment. What these images took counts before what is usual."""
        step = self._measured_step() or measured.of("step", segments=self.segments[:1])
        decode = self._total("decode") or measured.of("decode", segments=self.segments)
        if step is None or decode is None:
            return None
        return cost.AllCloud(
            steps=self.steps * self.images,
            rows_a_step=self.rows_a_step,
            step_nanoseconds=step,
            # The text is encoded in the cloud either way, and not again where it was encoded before.
            encode_nanoseconds=self._total("encode"),
            decode_nanoseconds=decode if self._total("decode") else decode * self.images,
        )

    def _measured_step(self) -> int:
        """Nanoseconds of one row on the first segment, as these images took it; 0 where they took none."""
        own = [booking.usage for booking in self.bookings if booking.segment == self.segments[0]]
        rows = sum(usage.rows.get("step", 0) for usage in own)
        return sum(usage.nanoseconds.get("step", 0) for usage in own) // rows if rows else 0

    def _total(self, kind: str) -> int:
        return sum(booking.usage.nanoseconds.get(kind, 0) for booking in self.bookings)

    def _spent(self, prices: PriceList) -> str:
        total = cost.egress(self.egress_bytes, prices=prices)
        for name, nanoseconds in self._nanoseconds().items():
            total += cost.price(nanoseconds, resources=self.resources[name], prices=prices)
        return cost.format_money(total)

    def _nanoseconds(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for booking in self.bookings:
            total[booking.segment] = total.get(booking.segment, 0) + sum(booking.usage.nanoseconds.values())
        return total

    def _rows(self) -> dict[str, dict[str, int]]:
        total: dict[str, dict[str, int]] = {}
        for booking in self.bookings:
            rows = total.setdefault(booking.segment, {})
            for kind, count in booking.usage.rows.items():
                rows[kind] = rows.get(kind, 0) + count
        return total
