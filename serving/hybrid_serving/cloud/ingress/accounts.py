"""What pictures cost: told to clients in their answers, and counted.

Joins the parts: what was booked, what engines are known to take, prices. It computes nothing itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hybrid_api import cost
from hybrid_serving.cloud.ingress.answers import Picture
from hybrid_serving.cloud.ingress.bills import Bill
from hybrid_serving.cloud.ingress.dispatch import Booking, Journey
from hybrid_serving.cloud.ingress.issued import Record
from hybrid_serving.cloud.ingress.ledger import Ledger, Meter, NoMeter
from hybrid_serving.cloud.ingress.measured import Measured
from hybrid_serving.cloud.ingress.orders import Order

Document = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Accounts:
    """The accounts of one ingress replica."""

    segments: Sequence[str]
    """In denoising order."""
    resources: Mapping[str, cost.Resources]
    """What a worker of each segment occupies."""
    measured: Measured = field(default_factory=Measured)
    meter: Meter = field(default_factory=NoMeter)

    @property
    def ledger(self) -> Ledger:
        """Where amounts are counted."""
        return Ledger(meter=self.meter, resources=self.resources)

    def spent(self, journey: Journey, order: Order) -> None:
        """Count what an image used so far, and learn from it, whether or not it will be finished."""
        for booking in journey.bookings:
            self.measured.learn(booking)
        self.ledger.spent(journey.bookings, tenant=order.tenant, prices=order.prices)
        self.ledger.repeated(journey.repeats)

    def pictures(self, order: Order, pictures: Sequence[Picture], *, handoff_bytes: int = 0) -> Document:
        """The cost of pictures that go to their client now; `handoff_bytes` went before, in vain."""
        picture_bytes = sum(len(picture.base64) for picture in pictures)
        self.measured.picture_bytes[order.size] = picture_bytes // len(pictures)
        bookings = [booking for picture in pictures for booking in picture.bookings]
        bill = self._bill(
            order,
            bookings,
            images=len(pictures),
            egress_bytes=picture_bytes + handoff_bytes,
            picture_bytes=picture_bytes,
        )
        document = bill.document(self.measured)
        self.ledger.sent(picture_bytes, tenant=order.tenant, prices=order.prices)
        self.ledger.delivered(document, images=len(pictures), tenant=order.tenant, place="cloud")
        return document

    def handed_over(self, order: Order, *, size_bytes: int) -> None:
        """Count a handoff that goes to its device now."""
        self.measured.handoff_bytes = size_bytes
        self.ledger.sent(size_bytes, tenant=order.tenant, prices=order.prices)

    def reported(self, record: Record, *, seconds: Decimal) -> Document:
        """The cost of a picture that a device finished; counted the first time it is told."""
        order = record.order
        bill = self._bill(
            order,
            record.bookings,
            images=1,
            egress_bytes=record.egress_bytes,
            picture_bytes=self.measured.picture_bytes.get(order.size, 0),
            edge_seconds=seconds,
        )
        document = bill.document(self.measured)
        if not record.is_settled:
            record.is_settled = True
            self.ledger.computed_at_the_edge(float(seconds), tenant=order.tenant)
            self.ledger.delivered(document, images=1, tenant=order.tenant, place="edge")
        return document

    def _bill(
        self,
        order: Order,
        bookings: Sequence[Booking],
        *,
        images: int,
        egress_bytes: int,
        picture_bytes: int,
        edge_seconds: Decimal | None = None,
    ) -> Bill:
        return Bill(
            bookings=bookings,
            settings=order.settings[0],
            images=images,
            segments=self.segments,
            resources=self.resources,
            prices=order.prices,
            egress_bytes=egress_bytes,
            picture_bytes=picture_bytes,
            edge_seconds=edge_seconds,
        )
