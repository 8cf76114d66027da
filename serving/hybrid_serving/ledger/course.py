"""What was paid for when: a ledger's stretches laid into the cells of a window. Pure, and exact.

What was counted in several cells is shared out evenly among them: an interval does not say more.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from hybrid_serving.ledger.entries import Kind, Role
from hybrid_serving.ledger.store import Stretch

Course = Mapping[str, list[Fraction]]
"""Amounts by what they were for, cell by cell."""

USED = "used"


def course(stretches: Iterable[Stretch], *, cells: int) -> Course:
    """What workers cost, by whether somebody used it, else by why nobody did; bytes sent are no worker's."""
    found: dict[str, list[Fraction]] = {}
    for each in stretches:
        kind = each.found.line.key.kind
        if kind.role is Role.OVERHEAD or (kind.role is Role.USED and kind is not Kind.EGRESS):
            name = USED if kind.role is Role.USED else kind.value
            _lay(found.setdefault(name, [Fraction(0)] * cells), each)
    return found


def first_cell(stretches: Iterable[Stretch]) -> int:
    """Where anything begins."""
    return min((each.first_cell for each in stretches), default=0)


def _lay(amounts: list[Fraction], stretch: Stretch) -> None:
    last = min(stretch.last_cell, len(amounts) - 1)
    first = min(stretch.first_cell, last)
    share = stretch.found.line.amount / (last - first + 1)
    for cell in range(first, last + 1):
        amounts[cell] += share
