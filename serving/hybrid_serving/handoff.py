"""A trajectory on its way from one place to another: everything needed to go on, signed, in one file.

The header is JSON inside safetensors inside a signed envelope; the rest of the coefficient table travels along, so the
receiver computes no weight of its own. Never pickle, and never read a tensor before the signature was verified.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybrid_serving import envelope, handoff_header, tensors
from hybrid_serving.handoff_errors import (
    HandoffError,
    HandoffExpired,
    HandoffForged,
    HandoffHeaderInvalid,
    HandoffInconsistent,
    HandoffKeysMissing,
    HandoffKeysUnknown,
    HandoffKeyUnknown,
    HandoffNotYetIssued,
    HandoffTensorsInvalid,
    HandoffTooLarge,
    HandoffTrailing,
    HandoffTruncated,
    HandoffVersionUnknown,
    NotAHandoff,
)
from hybrid_serving.handoff_header import Header, SettingsRecord, TableRecord
from hybrid_serving.keys import KeyInvalidError, KeyRing, PublicKeys, SigningKey
from hybrid_serving.protocol import Latent, Settings, State
from hybrid_serving.table import Table

__all__ = [
    "CLOCK_SKEW",
    "MEDIA_TYPE",
    "RECEIPT_HEADER",
    "Handoff",
    "HandoffError",
    "HandoffExpired",
    "HandoffForged",
    "HandoffHeaderInvalid",
    "HandoffInconsistent",
    "HandoffKeyUnknown",
    "HandoffKeysMissing",
    "HandoffKeysUnknown",
    "HandoffNotYetIssued",
    "HandoffTensorsInvalid",
    "HandoffTooLarge",
    "HandoffTrailing",
    "HandoffTruncated",
    "HandoffVersionUnknown",
    "KeyInvalidError",
    "KeyRing",
    "NotAHandoff",
    "PublicKeys",
    "SigningKey",
    "pack",
    "unpack",
]

MEDIA_TYPE: Final = "application/vnd.hybriddiffusion.handoff"
RECEIPT_HEADER: Final = "Hybrid-Receipt"
"""HTTP header that comes with a handoff and goes back with it, or with the report on it."""
CLOCK_SKEW: Final = timedelta(seconds=60)
"""How far a device's clock may be behind ours before a fresh handoff is refused."""
_CONDITIONING: Final = "conditioning."
_HISTORY: Final = "history."


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    """One image between two steps, and the right to finish it until `expires_at`."""

    request: str
    """The image's id within the service, as in `protocol.Work`."""
    model: str
    networks: Mapping[str, str]
    """Digest of each segment's network; who goes on must have the same."""
    table: Table
    """The rest of the coefficient table, from the state's position on."""
    state: State
    settings: Settings
    conditioning: Mapping[str, NDArray[np.float32]]
    """Encoded text, as in `protocol.Work`; empty where the receiver encodes the prompt itself."""
    issued_at: datetime
    expires_at: datetime
    attempt: int = 1
    """Counts deliveries of the same state."""
    domain: str = ""
    """Numerics domain that computed the state; information."""
    engine: str = ""
    """Engine that computed the state; information."""


def pack(handoff: Handoff, *, key: SigningKey) -> bytes:
    """The signed file of a handoff; equal handoffs and keys give equal bytes."""
    _require_consistent(handoff)
    arrays = {"x": handoff.state.x}
    arrays |= {f"{_HISTORY}{age}": past for age, past in enumerate(handoff.state.history)}
    arrays |= {f"{_CONDITIONING}{name}": array for name, array in handoff.conditioning.items()}
    return envelope.seal(tensors.write(_header(handoff).to_text(), arrays=arrays), key=key)


def unpack(data: bytes, *, keys: PublicKeys, now: datetime) -> Handoff:
    """The handoff in `data`, or the `HandoffError` that says why it may not be used."""
    payload = envelope.open_sealed(data, keys=keys)
    text, index = tensors.read_text(payload)
    header = handoff_header.from_text(text)
    _require_current(header, now=now)
    handoff = _handoff(header, arrays=tensors.read_arrays(payload, index=index))
    _require_consistent(handoff)
    return handoff


def _require_current(header: Header, *, now: datetime) -> None:
    if header.expires_at <= now:
        raise HandoffExpired(expired_at=header.expires_at, now=now)
    if header.issued_at > now + CLOCK_SKEW:
        raise HandoffNotYetIssued(issued_at=header.issued_at, now=now)


def _require_consistent(handoff: Handoff) -> None:
    state, table = handoff.state, handoff.table
    expected = min(state.position, table.history_length)
    for is_met, sentence in (
        (state.position == table.start, f"the state is at {state.position}, the table begins at {table.start}"),
        (table.steps == handoff.settings.steps, f"the table ends at {table.steps} of {handoff.settings.steps} steps"),
        (table.sampler == handoff.settings.sampler, f"the table is for `{table.sampler}`, not the request's sampler"),
        (len(state.history) == expected, f"there are {len(state.history)} earlier estimates instead of {expected}"),
        (state.x.ndim == 3, f"x has the shape {state.x.shape} instead of channels, height, width"),
        (all(past.shape == state.x.shape for past in state.history), "an earlier estimate has another shape than x"),
        (all(len(entry.history) == table.history_length for entry in table.entries), "an entry's history is too short"),
    ):
        if not is_met:
            raise HandoffInconsistent(f"The handoff contradicts itself: {sentence}.")


def _header(handoff: Handoff) -> Header:
    return Header(
        request=handoff.request,
        model=handoff.model,
        networks=dict(handoff.networks),
        domain=handoff.domain,
        engine=handoff.engine,
        attempt=handoff.attempt,
        issued_at=handoff.issued_at.astimezone(UTC),
        expires_at=handoff.expires_at.astimezone(UTC),
        position=handoff.state.position,
        settings=SettingsRecord.of(handoff.settings),
        table=TableRecord.of(handoff.table),
    )


def _handoff(header: Header, *, arrays: dict[str, Latent]) -> Handoff:
    if "x" not in arrays:
        raise HandoffTensorsInvalid("The handoff has no tensor `x`.")
    x = arrays.pop("x")
    ages = range(sum(name.startswith(_HISTORY) for name in arrays))
    history = tuple(arrays.pop(name) for age in ages if (name := f"{_HISTORY}{age}") in arrays)
    texts = [name for name in arrays if name.startswith(_CONDITIONING)]
    conditioning = {name.removeprefix(_CONDITIONING): arrays.pop(name) for name in texts}
    if arrays:
        raise HandoffTensorsInvalid(f"The handoff has tensors of unknown names: {', '.join(map(repr, arrays))}.")
    return Handoff(
        request=header.request,
        model=header.model,
        networks=header.networks,
        table=header.table.value(start=header.position),
        state=State(position=header.position, x=x, history=history),
        settings=header.settings.value(),
        conditioning=conditioning,
        issued_at=header.issued_at,
        expires_at=header.expires_at,
        attempt=header.attempt,
        domain=header.domain,
        engine=header.engine,
    )
