"""What the cloud did for a picture that a device finishes, signed, so that any replica adds the rest to the same bill.

A receipt is a JSON Web Token that travels with its handoff in a header of its own and comes back with it; no replica
remembers anything for a device. Holds no prompt: proxies bound headers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from hybrid_serving.cloud.ingress.dispatch import Booking
from hybrid_serving.cloud.ingress.errors import ApiError
from hybrid_serving.cloud.ingress.facts import Facts
from hybrid_serving.cloud.ingress.orders import Order
from hybrid_serving.handoff import RECEIPT_HEADER
from hybrid_serving.keys import KeyRing, PublicKeys, TokenInvalidError, read_token, write_token
from hybrid_serving.protocol import Usage

MAX_CHARACTERS: Final = 8_192
"""Several times what one takes; HAProxy has 16 KiB for all headers."""
_AUDIENCE: Final = "hybriddiffusion.io/receipt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The cloud's part of one picture."""

    handoff: str
    """Id of the handoff that it belongs to."""
    model: str
    networks: Mapping[str, str]
    """Digest of each segment's network, as in the handoff: only who has the same can price what they took."""
    tenant: str
    described: dict[str, Any]
    """How the picture came about, as answers tell it."""
    steps: int
    size: str
    """`WIDTHxHEIGHT`."""
    rows_a_step: int
    bookings: tuple[Booking, ...]
    egress_bytes: int
    """Size of the handoff."""

    @classmethod
    def of(
        cls, order: Order, *, handoff: str, facts: Facts, bookings: Sequence[Booking], egress_bytes: int
    ) -> "Receipt":
        """The receipt for an order of one picture, after the cloud's segments."""
        return cls(
            handoff=handoff,
            model=facts.model,
            networks=facts.networks,
            tenant=order.tenant,
            described=order.described(),
            steps=order.steps,
            size=order.size,
            rows_a_step=order.rows_a_step,
            bookings=_summed(bookings),
            egress_bytes=egress_bytes,
        )


def _summed(bookings: Sequence[Booking]) -> tuple[Booking, ...]:
    """One for each segment and domain, so that many hops make no long header."""
    found: dict[tuple[str, str], Booking] = {}
    for booking in bookings:
        where = booking.segment, booking.domain
        before = found[where].usage if where in found else Usage()
        usage = Usage(
            nanoseconds=_sum(before.nanoseconds, booking.usage.nanoseconds), rows=_sum(before.rows, booking.usage.rows)
        )
        found[where] = Booking(booking.segment, usage, booking.domain)
    return tuple(found.values())


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {kind: first.get(kind, 0) + second.get(kind, 0) for kind in {**first, **second}}


_SHAPE: Final = TypeAdapter(Receipt)


def sign(receipt: Receipt, *, ring: KeyRing, expires_at: datetime) -> str:
    """The token of a receipt: printable ASCII."""
    claims = {"receipt": _SHAPE.dump_python(receipt, mode="json")}
    return write_token(claims, key=ring.signing, audience=_AUDIENCE, expires_at=expires_at)


def read(text: str, *, handoff: str, keys: PublicKeys, now: datetime) -> Receipt:
    """The receipt in `text`, if we signed it for `handoff` and it is in time; raises `ApiError` otherwise."""
    if len(text) > MAX_CHARACTERS:
        raise _refused(f"it has {len(text)} characters, at most {MAX_CHARACTERS} were expected")
    try:
        claims = read_token(text, keys=keys, audience=_AUDIENCE, now=now)
        receipt = _SHAPE.validate_python(claims.get("receipt"))
    except TokenInvalidError as error:
        raise _refused(str(error)) from error
    except ValidationError as error:
        raise _refused("another version of this service made it") from error
    if receipt.handoff != handoff:
        raise _refused(f"it belongs to the handoff `{receipt.handoff}`, not to `{handoff}`")
    return receipt


def _refused(reason: str) -> ApiError:
    message = f"The header `{RECEIPT_HEADER}` is no receipt of this handoff: {reason}; send what came with the handoff."
    return ApiError(message, code="receipt_invalid", param=RECEIPT_HEADER)
