"""What a ledger consists of: intervals of lines, each a whole number of units at the price of one unit.

Amounts of money are fractions, so sums are exact whatever the prices; rounding is for whoever prints. Pure.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Literal, NamedTuple

from hybrid_api.prices import PriceList

NANOSECONDS_AN_HOUR = 3_600_000_000_000
BYTES_A_GIB = 2**30
PARTS_OF_MONEY = 10**12
"""Money that is only compared is kept in millionths of millionths, as it is told to clients."""

Tier = Literal["cloud", "edge"]


class Role(Enum):
    """What a line means to the bill."""

    USED = "used"
    """Somebody's work."""
    OVERHEAD = "overhead"
    """Paid for, and nobody's work."""
    BILL = "bill"
    """The whole, measured from outside; used, overhead and what is unattributed add up to it."""
    NOTE = "note"
    """Says something about the others and adds to nothing."""


class Unit(Enum):
    """What a quantity counts, by how many of it have the price."""

    NANOSECONDS = NANOSECONDS_AN_HOUR
    BYTES = BYTES_A_GIB
    PIECES = 1
    MONEY = PARTS_OF_MONEY


class Kind(Enum):
    """What was used, or why not."""

    ENCODE = "encode"
    STEP = "step"
    DECODE = "decode"
    PREVIEW = "preview"
    EGRESS = "egress"
    PADDING = "padding"
    HOST = "host"
    STARTUP = "startup"
    IDLE = "idle"
    BILL = "bill"
    CANCELLED = "cancelled"
    FAILED = "failed"
    EDGE = "edge"
    IMAGES = "images"
    ALL_CLOUD = "all_cloud"
    COMPARED = "compared"

    @property
    def role(self) -> Role:
        """What it means to the bill."""
        return _ROLES.get(self, Role.NOTE)

    @property
    def unit(self) -> Unit:
        """What its quantity counts."""
        return _UNITS.get(self, Unit.NANOSECONDS)


_ROLES = {
    **dict.fromkeys((Kind.ENCODE, Kind.STEP, Kind.DECODE, Kind.PREVIEW, Kind.EGRESS), Role.USED),
    **dict.fromkeys((Kind.PADDING, Kind.HOST, Kind.STARTUP, Kind.IDLE), Role.OVERHEAD),
    Kind.BILL: Role.BILL,
}
_UNITS = {
    Kind.EGRESS: Unit.BYTES,
    Kind.IMAGES: Unit.PIECES,
    Kind.ALL_CLOUD: Unit.MONEY,
    Kind.COMPARED: Unit.MONEY,
}


class Key(NamedTuple):
    """Whose and what a line is."""

    segment: str
    """Of the resource; empty where it is none's, such as egress."""
    tier: Tier
    tenant: str
    """Name of an API key; empty where it is nobody's."""
    kind: Kind


class Count(NamedTuple):
    """How much: units, and for engine time the rows that it was for."""

    quantity: int
    rows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """The prices that one process's lines are kept at; a change of them begins a new interval."""

    currency: str = ""
    """ISO 4217; empty where nothing is priced."""
    hour: Decimal = Decimal(0)
    """An hour of what the process occupies."""
    gib: Decimal = Decimal(0)
    """A GiB sent to clients."""

    @classmethod
    def of(cls, prices: PriceList | None, *, hour: Decimal = Decimal(0)) -> "Tariff":
        """The prices of a list, with `hour` computed from it for this process; without a list nothing costs."""
        return cls(currency=prices.currency, hour=hour, gib=prices.egress_gib) if prices else cls()

    def rate(self, key: Key) -> Decimal:
        """The price of one unit of a line; work on devices is not ours to pay."""
        if key.tier == "edge":
            return Decimal(0)
        return {Unit.NANOSECONDS: self.hour, Unit.BYTES: self.gib}.get(key.kind.unit, Decimal(0))


@dataclass(frozen=True, slots=True)
class Line:
    """So much of one thing at one price."""

    key: Key
    count: Count
    rate: Decimal

    @property
    def amount(self) -> Fraction:
        """What it costs, exactly."""
        return Fraction(self.rate) * self.count.quantity / self.key.kind.unit.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What one process counted in one stretch of time; it never changes once it is made."""

    service: str
    """Name of the resource."""
    source: str
    """The process that counted, unique over all time."""
    sequence: int
    """Counts the source's intervals, so that none is booked twice."""
    began_at: int
    """Nanoseconds since the epoch, as the clock stood; its length is what the source's stopwatch said."""
    ended_at: int
    currency: str
    lines: tuple[Line, ...]
