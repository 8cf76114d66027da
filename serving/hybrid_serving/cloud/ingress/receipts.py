"""What the cloud did for a picture that a device finishes, signed, so that any replica adds the rest to the same bill.

A receipt is a JSON Web Token (RFC 7519, signed as RFC 8037 says) that travels with its handoff in a header of its own
and comes back with it; no replica remembers anything for a device. Holds no prompt: proxies bound headers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import jwt
from pydantic import TypeAdapter, ValidationError

from hybrid_serving.cloud.ingress.dispatch import Booking
from hybrid_serving.cloud.ingress.errors import ApiError
from hybrid_serving.cloud.ingress.orders import Order
from hybrid_serving.handoff import RECEIPT_HEADER
from hybrid_serving.keys import KeyRing, PublicKeys
from hybrid_serving.protocol import Usage

MAX_CHARACTERS: Final = 8_192
"""Several times what one takes; HAProxy has 16 KiB for all headers."""
_ALGORITHM: Final = "EdDSA"
_AUDIENCE: Final = "hybriddiffusion.io/receipt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The cloud's part of one picture."""

    handoff: str
    """Id of the handoff that it belongs to."""
    tenant: str
    seed: str
    """Unsigned 64-bit, decimal."""
    sampler: str
    steps: int
    split: int
    split_reason: str
    guidance_scale: float
    size: str
    """`WIDTHxHEIGHT`."""
    rows_a_step: int
    bookings: tuple[Booking, ...]
    egress_bytes: int
    """Size of the handoff."""

    @classmethod
    def of(cls, order: Order, *, handoff: str, bookings: Sequence[Booking], egress_bytes: int) -> "Receipt":
        """The receipt for an order of one picture, after the cloud's segments."""
        settings = order.settings[0]
        return cls(
            handoff=handoff,
            tenant=order.tenant,
            seed=str(settings.seed),
            sampler=settings.sampler,
            steps=settings.steps,
            split=order.split,
            split_reason=order.plan.reason,
            guidance_scale=settings.guidance_scale,
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
    claims = {"aud": _AUDIENCE, "exp": expires_at, "receipt": _SHAPE.dump_python(receipt, mode="json")}
    return jwt.encode(claims, ring.signing.private, algorithm=_ALGORITHM, headers={"kid": ring.signing.id})


def read(text: str, *, handoff: str, keys: PublicKeys, now: datetime) -> Receipt:
    """The receipt in `text`, if we signed it for `handoff` and it is in time; raises `ApiError` otherwise."""
    claims = _claims(text, keys=keys)
    if datetime.fromtimestamp(claims["exp"], tz=UTC) <= now:
        raise _refused("it is too old")
    try:
        receipt = _SHAPE.validate_python(claims["receipt"])
    except ValidationError as error:
        raise _refused("another version of this service made it") from error
    if receipt.handoff != handoff:
        raise _refused(f"it belongs to the handoff `{receipt.handoff}`, not to `{handoff}`")
    return receipt


def _claims(text: str, *, keys: PublicKeys) -> Mapping[str, Any]:
    if len(text) > MAX_CHARACTERS:
        raise _refused(f"it has {len(text)} characters, at most {MAX_CHARACTERS} were expected")
    try:
        key = keys.by_id[jwt.get_unverified_header(text)["kid"]]
        # Time is the caller's.
        options: Any = {"require": ["aud", "exp", "receipt"], "verify_exp": False}
        return jwt.decode(text, key, algorithms=[_ALGORITHM], audience=_AUDIENCE, options=options)
    except (jwt.PyJWTError, KeyError, TypeError) as error:
        raise _refused("this service did not sign it") from error


def _refused(reason: str) -> ApiError:
    message = f"The header `{RECEIPT_HEADER}` is no receipt of this handoff: {reason}; send what came with the handoff."
    return ApiError(message, code="receipt_invalid", param=RECEIPT_HEADER)
