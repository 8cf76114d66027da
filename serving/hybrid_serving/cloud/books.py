"""Engine time of a replica, to the nanosecond: what each image used, what padding wasted, what was previewed.

Pure: time comes in as measured integers and leaves as integers; the shares of a call always add up to the call.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hybrid_api import cost
from hybrid_serving.cloud.program import Item
from hybrid_serving.protocol import Usage


@dataclass(slots=True)
class Account:
    """One image's bookings so far."""

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

    busy_nanoseconds: int = 0
    """Booked to images, finished or not, previews included."""
    padding_nanoseconds: int = 0
    """Spent on rows that only filled a bucket."""
    preview_nanoseconds: int = 0
    """Spent outside engines, on previews; booked to images as well."""
    abandoned_nanoseconds: int = 0
    """The part of what was booked whose images nobody waits for any more."""
    calls: int = 0
    rows: int = 0
    padding_rows: int = 0

    def book(self, items: Sequence[Item], accounts: Sequence[Account], *, bucket: int, nanoseconds: int) -> None:
        """Share one call among its items by rows; rows of padding are nobody's. Bucket 0 means no engine was called."""
        rows = sum(item.rows for item in items)
        padding = max(0, bucket - rows)
        *shares, wasted = cost.share(nanoseconds, [*(item.rows for item in items), padding])
        for item, account, share in zip(items, accounts, shares, strict=True):
            account.add(item, share)
        self.busy_nanoseconds += nanoseconds - wasted
        self.preview_nanoseconds += 0 if bucket else nanoseconds
        self.padding_nanoseconds += wasted
        self.calls += bool(bucket)
        self.rows += rows if bucket else 0
        self.padding_rows += padding
