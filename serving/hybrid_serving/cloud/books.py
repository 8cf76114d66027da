"""Engine time of a replica, to the nanosecond: what each image used, what padding wasted, what was done in vain.

Pure: time comes in as measured integers and leaves as integers; the shares of a call always add up to the call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from hybrid_api import cost
from hybrid_serving.cloud.program import Item, Kind
from hybrid_serving.protocol import Usage

Vain = Literal["cancelled", "failed"]
"""Why work had no result: nobody waited for it any more, or it could not be finished."""


@dataclass(slots=True)
class Account:
    """One image's bookings so far."""

    tenant: str = ""
    nanoseconds: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def add(self, item: Item, nanoseconds: int) -> None:
        """Book one item."""
        self.nanoseconds[item.kind] = self.nanoseconds.get(item.kind, 0) + nanoseconds
        self.rows[item.kind] = self.rows.get(item.kind, 0) + item.rows

    def usage(self) -> Usage:
        """The bookings as the answer carries them."""
        return Usage(nanoseconds=dict(self.nanoseconds), rows=dict(self.rows))


@dataclass(slots=True)
class Books:
    """Totals of a replica since its start."""

    nanoseconds: dict[tuple[str, Kind], int] = field(default_factory=dict)
    """Booked to images, finished or not, by tenant and kind of item."""
    rows: dict[tuple[str, Kind], int] = field(default_factory=dict)
    """Rows that this was for."""
    vain_nanoseconds: dict[tuple[str, Vain], int] = field(default_factory=dict)
    """The part of what was booked that had no result."""
    padding_nanoseconds: int = 0
    """Spent on rows that only filled a bucket."""
    padding_rows: int = 0
    calls: dict[Kind, int] = field(default_factory=dict)
    """Engine calls; previews make none."""

    def book(self, items: Sequence[Item], accounts: Sequence[Account], *, bucket: int, nanoseconds: int) -> None:
        """Share one call among its items by rows; rows of padding are nobody's. Bucket 0 means no engine was called."""
        padding = max(0, bucket - sum(item.rows for item in items))
        *shares, wasted = cost.share(nanoseconds, [*(item.rows for item in items), padding])
        for item, account, share in zip(items, accounts, shares, strict=True):
            account.add(item, share)
            key = (account.tenant, item.kind)
            self.nanoseconds[key] = self.nanoseconds.get(key, 0) + share
            self.rows[key] = self.rows.get(key, 0) + item.rows
        self.padding_nanoseconds += wasted
        self.padding_rows += padding
        if bucket:
            self.calls[items[0].kind] = self.calls.get(items[0].kind, 0) + 1

    def discard(self, account: Account, why: Vain) -> None:
        """Note that an image's bookings had no result; they stay booked."""
        key = (account.tenant, why)
        self.vain_nanoseconds[key] = self.vain_nanoseconds.get(key, 0) + sum(account.nanoseconds.values())

    def copy(self) -> "Books":
        """The totals of now, on which nobody writes any more."""
        return replace(
            self,
            nanoseconds=dict(self.nanoseconds),
            rows=dict(self.rows),
            vain_nanoseconds=dict(self.vain_nanoseconds),
            calls=dict(self.calls),
        )

    @property
    def booked_nanoseconds(self) -> int:
        """Booked to images, previews included."""
        return sum(self.nanoseconds.values())

    @property
    def engine_nanoseconds(self) -> int:
        """Inside engine calls, padding included; previews call no engine."""
        return self.booked_nanoseconds + self.padding_nanoseconds - _of(self.nanoseconds, "preview")


def _of(amounts: Mapping[tuple[str, Kind], int], kind: Kind) -> int:
    return sum(amount for (_, each), amount in amounts.items() if each == kind)
