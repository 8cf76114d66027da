"""What a ledger's lines come to: who used what, what nobody used, and whether both add up to the bill. Pure.

Every amount is exact. What is printed is shared out in whole units of the last digit, so that printed parts add up to
the printed sum.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from hybrid_api import cost
from hybrid_serving.ledger.entries import PARTS_OF_MONEY, Kind, Role, Unit
from hybrid_serving.ledger.store import Sum

Dimension = Literal["service", "model", "tier", "tenant", "kind"]
DIMENSIONS: Mapping[Dimension, Callable[[Sum], str]] = {
    "service": lambda found: found.service,
    "model": lambda found: found.line.key.segment or "-",
    "tier": lambda found: found.line.key.tier,
    "tenant": lambda found: found.line.key.tenant or "-",
    "kind": lambda found: found.line.key.kind.value,
}
"""What a statement can be broken down by; the model is the segment's."""


@dataclass(slots=True)
class Group:
    """One row of a statement: what was used under one combination of dimensions."""

    amount: Fraction = Fraction(0)
    engine_nanoseconds: int = 0
    edge_nanoseconds: int = 0
    vain_nanoseconds: int = 0
    """Of the engine time, for images that were cancelled or failed."""
    egress_bytes: int = 0
    images: int = 0
    steps: int = 0
    """Rows of steps."""

    def add(self, found: Sum) -> None:
        """Add a line."""
        kind, (quantity, rows) = found.line.key.kind, found.line.count
        if kind.role is Role.USED:
            self.amount += found.line.amount
            self.engine_nanoseconds += quantity if kind.unit is Unit.NANOSECONDS else 0
        self.egress_bytes += quantity if kind is Kind.EGRESS else 0
        self.edge_nanoseconds += quantity if kind is Kind.EDGE else 0
        self.vain_nanoseconds += quantity if kind in (Kind.CANCELLED, Kind.FAILED) else 0
        self.images += quantity if kind is Kind.IMAGES else 0
        self.steps += rows if kind is Kind.STEP else 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it is anybody's."""
        return not (self.amount or self.engine_nanoseconds or self.edge_nanoseconds or self.egress_bytes or self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """All that was kept in one currency in a window."""

    currency: str
    groups: Mapping[tuple[str, ...], Group]
    overhead: Mapping[Kind, Fraction]
    """What nobody's work cost, by why."""
    billed: Fraction | None
    """What the processes cost, measured from outside, without egress; `None` where nobody measured."""
    egress: Fraction
    all_cloud: Fraction
    """What finished pictures would have cost with every step on the first segment."""
    compared: Fraction
    """What the same pictures did cost."""
    count: Group = field(default_factory=Group)
    """Everything that was used."""

    @property
    def used(self) -> Fraction:
        """What was somebody's work, egress included."""
        return self.count.amount

    @property
    def unattributed(self) -> Fraction | None:
        """What the bill has and no stopwatch saw."""
        if self.billed is None:
            return None
        return self.billed - (self.used - self.egress) - sum(self.overhead.values(), start=Fraction(0))

    @property
    def total(self) -> Fraction:
        """The bill with egress; without a measured one, what was used and what was not."""
        unattributed = self.unattributed or Fraction(0)
        return self.used + sum(self.overhead.values(), start=Fraction(0)) + unattributed

    @property
    def saving(self) -> Fraction | None:
        """The share of all-cloud cost that the split avoided; `None` where nothing was compared."""
        return 1 - self.compared / self.all_cloud if self.all_cloud else None


def statements(sums: Iterable[Sum], *, by: Sequence[Dimension]) -> list[Statement]:
    """A statement for every currency among `sums`, broken down by `by`."""
    found: dict[str, list[Sum]] = {}
    for each in sums:
        found.setdefault(each.currency, []).append(each)
    return [_statement(currency, found[currency], by=by) for currency in sorted(found)]


def _statement(currency: str, sums: Sequence[Sum], *, by: Sequence[Dimension]) -> Statement:
    groups: dict[tuple[str, ...], Group] = {}
    everything = Group()
    for each in sums:
        everything.add(each)
        groups.setdefault(tuple(DIMENSIONS[name](each) for name in by), Group()).add(each)
    amounts: dict[Kind, Fraction] = {}
    for each in sums:
        amounts[each.line.key.kind] = amounts.get(each.line.key.kind, Fraction(0)) + each.line.amount
    return Statement(
        currency=currency,
        groups={key: group for key, group in sorted(groups.items()) if not group.is_empty},
        overhead={kind: amount for kind, amount in amounts.items() if kind.role is Role.OVERHEAD},
        billed=amounts.get(Kind.BILL),
        egress=amounts.get(Kind.EGRESS, Fraction(0)),
        all_cloud=_money(sums, Kind.ALL_CLOUD),
        compared=_money(sums, Kind.COMPARED),
        count=everything,
    )


def printed(amounts: Sequence[Fraction], *, decimals: int) -> list[str]:
    """Amounts with so many decimals, which add up to their rounded sum; those below 0 are rounded alone."""
    scale = 10**decimals
    below = [min(0, round(amount * scale)) for amount in amounts]
    weights = _integers([max(Fraction(0), amount) for amount in amounts])
    rest = max(0, round(sum(amounts, start=Fraction(0)) * scale) - sum(below))
    above = cost.share(rest, weights) if any(weights) else (0,) * len(weights)
    return [_text(one + other, scale=scale, decimals=decimals) for one, other in zip(below, above, strict=True)]


def _text(units: int, *, scale: int, decimals: int) -> str:
    return f"{'-' if units < 0 else ''}{abs(units) // scale}.{abs(units) % scale:0{decimals}d}"


def _integers(amounts: Sequence[Fraction]) -> list[int]:
    """The same proportions in whole numbers."""
    common = math.lcm(*(amount.denominator for amount in amounts))
    return [int(amount * common) for amount in amounts]


def _money(sums: Iterable[Sum], kind: Kind) -> Fraction:
    return Fraction(sum(each.line.count.quantity for each in sums if each.line.key.kind is kind), PARTS_OF_MONEY)
