"""Every way in which a handoff can be wrong, one class each.

Messages are for whoever holds the file; they never show a prompt or a key.
"""

from collections.abc import Iterable
from datetime import datetime


class HandoffError(ValueError):
    """The bytes are not a handoff that may be used."""


class NotAHandoff(HandoffError):
    """The file begins with something else."""

    def __init__(self) -> None:
        super().__init__("The file does not begin like a handoff; send the answer of `POST /v1/handoffs` unchanged.")


class HandoffVersionUnknown(HandoffError):
    """Written by another version of the format."""

    def __init__(self, *, found: int, known: int) -> None:
        super().__init__(f"The handoff has format version {found}; this program reads {known}. Update the older side.")


class HandoffTooLarge(HandoffError):
    """Some length is beyond its bound."""

    def __init__(self, *, what: str, found: int, limit: int) -> None:
        super().__init__(f"The handoff's {what} is {found}; at most {limit} is accepted.")


class HandoffTruncated(HandoffError):
    """The file ends early."""

    def __init__(self, *, found: int, expected: int) -> None:
        super().__init__(f"The handoff ends after {found} bytes; at least {expected} were expected. Fetch it again.")


class HandoffTrailing(HandoffError):
    """The file goes on after its end."""

    def __init__(self, *, excess: int) -> None:
        super().__init__(f"The handoff is followed by {excess} bytes that are not part of it; send it unchanged.")


class HandoffKeyUnknown(HandoffError):
    """Signed by a key that is not in the ring."""

    def __init__(self, *, key_id: str, known: Iterable[str]) -> None:
        names = ", ".join(f"`{name}`" for name in sorted(known)) or "none"
        super().__init__(f"The handoff is signed with the key `{key_id}`, known here: {names}. Ask for a new handoff.")
        self.key_id = key_id


class HandoffForged(HandoffError):
    """The signature does not match the bytes."""

    def __init__(self, *, key_id: str) -> None:
        super().__init__(f"The signature of key `{key_id}` does not match the handoff; it was changed on its way.")


class HandoffExpired(HandoffError):
    """Its time has passed."""

    def __init__(self, *, expired_at: datetime, now: datetime) -> None:
        late = (now - expired_at).total_seconds()
        super().__init__(f"Handoff expired {late:.0f} s ago (`expires_at` is {expired_at.isoformat()}).")
        self.expired_at = expired_at


class HandoffNotYetIssued(HandoffError):
    """Its time has not come: a clock is wrong."""

    def __init__(self, *, issued_at: datetime, now: datetime) -> None:
        early = (issued_at - now).total_seconds()
        super().__init__(f"Handoff was issued {early:.0f} s in the future; set the clock of this machine.")
        self.issued_at = issued_at


class HandoffKeysUnknown(HandoffError):
    """The header has keys that this version does not define."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(f"The handoff's header has unknown keys: {', '.join(f'`{name}`' for name in names)}.")


class HandoffKeysMissing(HandoffError):
    """The header lacks keys."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(f"The handoff's header lacks {', '.join(f'`{name}`' for name in names)}.")


class HandoffHeaderInvalid(HandoffError):
    """The header is not what its keys promise."""


class HandoffTensorsInvalid(HandoffError):
    """The tensors' number, names, types or sizes are wrong."""


class HandoffInconsistent(HandoffError):
    """Header and tensors are well-formed but do not describe one state."""
