"""A page of costs from the ledger: exact sums and their course. Nothing has to run for it but the ledger."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from hybrid_serving.cli.cost_page import POINTS, CostPage, Window
from hybrid_serving.cli.failures import Failure, UsageFailure
from hybrid_serving.ledger import course
from hybrid_serving.ledger.entries import Kind
from hybrid_serving.ledger.statement import Dimension, Group, Statement, statements
from hybrid_serving.ledger.store import Store, Stretch, Sum

SOURCE = "the ledger"
_SECOND = 1_000_000_000
_CELL_SECONDS = 6.0
"""At least: finer than the intervals of a ledger, a course would only show where they begin."""
_LEAST_SHARE = 0.5
"""A window of which the ledger has less begins where the ledger does."""


def read(store: Store, window: Window) -> CostPage:
    """Ask everything."""
    after, until = round(window.start * _SECOND), round(window.end * _SECOND)
    sums = _in_one_currency(_of(window.resource, store.sums(after=after, until=until)))
    window, stretches = _course(store, window)
    (total,) = statements(sums, by=()) or (None,)
    return CostPage(
        window=window,
        source=SOURCE,
        currency=total.currency if total else "",
        total=float(total.total) if total else 0.0,
        saved=_number(total.saving) if total else None,
        saved_money=float(total.all_cloud - total.compared) if total else None,
        idle=_idle(total) if total else None,
        pictures=_by(sums, "tier", lambda group: Fraction(group.images)),
        by_tenant=_by(sums, "tenant", lambda group: group.amount),
        by_model=_by_model(sums),
        by_kind=_by_kind(sums, total) if total else {},
        comparison=_sorted({"did cost": total.compared, "all in the cloud": total.all_cloud}) if total else {},
        course=_points(stretches, window),
    )


def _of(resource: str, sums: Sequence[Sum]) -> list[Sum]:
    try:
        return [each for each in sums if re.fullmatch(resource, each.service)]
    except re.error as error:
        raise UsageFailure(f"`--resource`: found `{resource}` ({error}), expected a regular expression.") from error


def _in_one_currency(sums: Sequence[Sum]) -> list[Sum]:
    """What has no price is left out beside what has one; different currencies cannot be drawn together."""
    currencies = sorted({each.currency for each in sums} - {""})
    if len(currencies) > 1:
        raise Failure(f"The ledger has {' and '.join(currencies)} in this window; choose one with `--resource`.")
    return [each for each in sums if not currencies or each.currency == currencies[0]]


def _course(store: Store, window: Window) -> tuple[Window, list[Stretch]]:
    """The window as far as the ledger has anything of it, in so many cells as are drawn."""
    found = _stretches(store, window)
    first = course.first_cell(found)
    if found and first > _LEAST_SHARE * _cells(window):
        window = replace(window, start=window.start + first * window.seconds / _cells(window))
        found = _stretches(store, window)
    return window, found


def _stretches(store: Store, window: Window) -> list[Stretch]:
    after, until = round(window.start * _SECOND), round(window.end * _SECOND)
    found = store.course(after=after, until=until, cell=max(1, (until - after) // _cells(window)))
    return [each for each in found if re.fullmatch(window.resource, each.found.service)]


def _cells(window: Window) -> int:
    return max(1, min(POINTS, int(window.seconds / _CELL_SECONDS)))


def _points(stretches: Sequence[Stretch], window: Window) -> Mapping[str, tuple[tuple[float, float], ...]]:
    """Money an hour, in the middle of each cell."""
    cells = _cells(window)
    seconds = window.seconds / cells
    hourly = Fraction(3600) / Fraction(seconds)
    return {
        name: tuple(
            (window.start + (cell + 0.5) * seconds, float(amount * hourly)) for cell, amount in enumerate(amounts)
        )
        for name, amounts in course.course(stretches, cells=cells).items()
    }


def _by(sums: Sequence[Sum], dimension: Dimension, amount: Callable[[Group], Fraction]) -> Mapping[str, float]:
    (statement,) = statements(sums, by=(dimension,)) or (None,)
    groups = statement.groups.items() if statement else ()
    return _sorted({key[0]: amount(group) for key, group in groups if amount(group)})


def _by_model(sums: Sequence[Sum]) -> Mapping[str, float]:
    found = _by(sums, "model", lambda group: group.amount)
    return {"sent bytes" if name == "-" else name: amount for name, amount in found.items()}


def _by_kind(sums: Sequence[Sum], total: Statement) -> Mapping[str, float]:
    """What was used, what was not, and what nobody's stopwatch saw."""
    (used,) = statements(sums, by=("kind",))
    amounts = {key[0]: group.amount for key, group in used.groups.items() if group.amount}
    amounts |= {kind.value: amount for kind, amount in total.overhead.items()}
    return _sorted(amounts | {"unattributed": total.unattributed or Fraction(0)})


def _idle(total: Statement) -> float | None:
    return float(total.overhead.get(Kind.IDLE, Fraction(0)) / total.total) if total.total else None


def _sorted(amounts: Mapping[str, Fraction]) -> Mapping[str, float]:
    """The largest first; nothing is no bar."""
    found = {name: float(amount) for name, amount in amounts.items() if amount}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _number(share: Fraction | None) -> float | None:
    return None if share is None else float(share)
