"""What pictures cost: told to clients in their answers, and counted.

Joins the parts: what was booked, what engines are known to take, prices. It computes nothing itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hybrid_api import cost
from hybrid_api.prices import PriceList
from hybrid_serving.cloud import pricing
from hybrid_serving.cloud.ingress.answers import Picture
from hybrid_serving.cloud.ingress.bills import Bill
from hybrid_serving.cloud.ingress.counts import Counts
from hybrid_serving.cloud.ingress.dispatch import Booking, Journey
from hybrid_serving.cloud.ingress.measured import Measured
from hybrid_serving.cloud.ingress.orders import Order
from hybrid_serving.cloud.ingress.receipts import Receipt
from hybrid_serving.cloud.ingress.settled import Settled

Document = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Accounts:
    """The accounts of one ingress replica."""

    segments: Sequence[str]
    """In denoising order."""
    resources: dict[str, cost.Resources]
    """What a worker of each segment occupies."""
    measured: Measured = field(default_factory=Measured)
    counts: Counts = field(default_factory=Counts)
    settled: Settled = field(default_factory=Settled)

    def spent(self, journey: Journey, order: Order, *, is_late: bool) -> None:
        """Learn from what an image used so far, whether or not it will be finished; its workers have booked it."""
        for booking in journey.bookings:
            self.measured.learn(booking)
        self.counts.repeated(journey.repeats)
        if is_late:
            self.counts.late(tenant=order.tenant)

    def previewed(self, order: Order, *, size_bytes: int) -> None:
        """Count a preview that goes to its client now, whatever becomes of its picture."""
        self.counts.sent(size_bytes, tenant=order.tenant, prices=order.prices)

    def pictures(self, order: Order, pictures: Sequence[Picture], *, preview_bytes: int = 0) -> Document:
        """The cost of pictures that go to their client now; previews went before."""
        picture_bytes = sum(len(picture.base64) for picture in pictures)
        self.measured.picture_bytes[order.size] = picture_bytes // len(pictures)
        bookings = [booking for picture in pictures for booking in picture.bookings]
        bill = self._bill(
            order,
            bookings,
            images=len(pictures),
            egress_bytes=picture_bytes + preview_bytes,
            picture_bytes=picture_bytes + preview_bytes,
        )
        return self._delivered(bill, order, sent_bytes=picture_bytes)

    def finished(self, order: Order, picture: Picture, *, handoff: str, receipt: Receipt | None) -> Document:
        """The cost of a picture that a device gave back: with what was done and sent in vain, where a receipt tells."""
        is_first = self.settled.settle(handoff)
        self.counts.handoff("returned")
        picture_bytes = len(picture.base64)
        self.measured.picture_bytes[order.size] = picture_bytes
        bill = self._bill(
            order,
            picture.bookings,
            images=1,
            egress_bytes=picture_bytes + (receipt.egress_bytes if receipt else 0),
            picture_bytes=picture_bytes,
            # What a device has reported as finished was compared then, with all that came before.
            is_whole=receipt is not None and is_first,
        )
        return self._delivered(bill, order, sent_bytes=picture_bytes)

    def _delivered(self, bill: Bill, order: Order, *, sent_bytes: int) -> Document:
        document = bill.document(self.measured)
        self.counts.sent(sent_bytes, tenant=order.tenant, prices=order.prices)
        self.counts.delivered(document, images=bill.images, tenant=order.tenant, tier="cloud")
        return document

    def estimated(self, order: Order, bookings: Sequence[Booking] | None) -> Document | None:
        """What an order would cost that would book this; `None` where that is not known. Counts nothing."""
        if bookings is None:
            return None
        images = len(order.settings)
        sent = images * self.measured.picture_bytes.get(order.size, 0)
        return self._bill(order, bookings, images=images, egress_bytes=sent, picture_bytes=sent).document(self.measured)

    def handed_over(self, order: Order, *, size_bytes: int) -> None:
        """Count a handoff that goes to its device now."""
        self.measured.handoff_bytes = size_bytes
        self.counts.sent(size_bytes, tenant=order.tenant, prices=order.prices)
        self.counts.handoff("issued")

    def reported(self, receipt: Receipt, *, seconds: Decimal, prices: PriceList | None) -> Document:
        """The cost of a picture that a device finished, at the prices of now; counted the first time it is told."""
        bill = Bill(
            bookings=receipt.bookings,
            steps=receipt.steps,
            rows_a_step=receipt.rows_a_step,
            images=1,
            segments=self.segments,
            resources=self.resources,
            prices=self._usable(prices),
            egress_bytes=receipt.egress_bytes,
            picture_bytes=self.measured.picture_bytes.get(receipt.size, 0),
            edge_seconds=seconds,
        )
        document = bill.document(self.measured)
        if self.settled.settle(receipt.handoff):
            self.counts.computed_at_the_edge(seconds, tenant=receipt.tenant)
            self.counts.delivered(document, images=1, tenant=receipt.tenant, tier="edge")
            self.counts.handoff("finished")
        return document

    def _usable(self, prices: PriceList | None) -> PriceList | None:
        """Those prices, unless a segment occupies what they have no price for."""
        if prices is None or not all(pricing.is_priced(each, prices) for each in self.resources.values()):
            return None
        return prices

    def _bill(
        self,
        order: Order,
        bookings: Sequence[Booking],
        *,
        images: int,
        egress_bytes: int,
        picture_bytes: int,
        is_whole: bool = True,
    ) -> Bill:
        return Bill(
            bookings=bookings,
            steps=order.steps,
            rows_a_step=order.rows_a_step,
            images=images,
            segments=self.segments,
            resources=self.resources,
            prices=self._usable(order.prices),
            egress_bytes=egress_bytes,
            picture_bytes=picture_bytes,
            is_whole=is_whole,
        )
