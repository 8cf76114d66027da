"""What a request would cost, before anybody draws it: the same bill, over what its work usually takes.

Admits nothing, wakes no worker and books nothing. Where a pace was never measured there is no figure, and no guess.
"""

from collections.abc import Sequence

from hybrid_serving.cloud.ingress import answers, ways
from hybrid_serving.cloud.ingress.answers import Object
from hybrid_serving.cloud.ingress.dispatch import Booking, Leg
from hybrid_serving.cloud.ingress.measured import Measured
from hybrid_serving.cloud.ingress.orders import Order
from hybrid_serving.cloud.ingress.service import Service
from hybrid_serving.protocol import Usage


def estimate(service: Service, order: Order) -> Object:
    """The price of an order that the cloud would finish, and how long it would wait."""
    legs = ways.through(order, segments=service.facts.segments)
    return {
        "object": "estimate",
        "images": len(order.settings),
        "wait_seconds": sum(service.admission.wait_seconds(leg.segment) for leg in legs),
        "hybrid": answers.hybrid(order, cost=service.accounts.estimated(order, expected(service, order, legs=legs))),
    }


def expected(service: Service, order: Order, *, legs: Sequence[Leg]) -> list[Booking] | None:
    """What workers would book for the whole order; `None` where a pace is not known yet."""
    measured, bookings, position = service.accounts.measured, [], 0
    for leg in legs:
        rows = _rows(order, steps=leg.stop - position, is_first=position == 0, is_last=leg is legs[-1])
        usage = _usage(measured, rows, segment=leg.segment)
        if usage is None:
            return None
        bookings.append(Booking(leg.segment, usage, ""))
        position = leg.stop
    return bookings


def _rows(order: Order, *, steps: int, is_first: bool, is_last: bool) -> dict[str, int]:
    """Rows by kind that all images of an order bring to one segment."""
    images, each = len(order.settings), order.rows_a_step
    rows = {"encode": each * is_first, "step": each * steps * images, "decode": images * is_last}
    return {kind: count for kind, count in rows.items() if count}


def _usage(measured: Measured, rows: dict[str, int], *, segment: str) -> Usage | None:
    paces = {kind: measured.of(kind, segments=(segment,)) for kind in rows}
    if any(pace is None for pace in paces.values()):
        return None
    return Usage(nanoseconds={kind: rows[kind] * (paces[kind] or 0) for kind in rows}, rows=rows)
