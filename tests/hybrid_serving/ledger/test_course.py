"""What was paid for when, out of intervals of any length."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from hybrid_serving.ledger import course
from hybrid_serving.ledger.entries import Interval
from hybrid_serving.ledger.sqlite import SqliteStore
from hybrid_serving.ledger.store import Stretch, Sum

HOUR = 3_600_000_000_000


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "ledger.sqlite")
    yield store
    store.close()


def an_hour_from(hours: float, *lines, source: str = "one", lasting: float = 1.0) -> Interval:
    began = round(hours * HOUR)
    return Interval(
        service="shapes",
        source=source,
        sequence=0,
        began_at=began,
        ended_at=began + round(lasting * HOUR),
        currency="USD",
        lines=lines,
    )


def test_an_interval_over_several_cells_is_shared_out_evenly_and_exactly(kept, a_line) -> None:
    kept.put(an_hour_from(10, a_line("idle", tenant="", quantity=3 * HOUR), lasting=3))
    found = course.course(kept.course(after=9 * HOUR, until=14 * HOUR, cell=HOUR), cells=5)
    assert found == {"idle": [0, 1, 1, 1, 0]}


def test_nothing_of_a_window_is_lost_or_there_twice(kept, a_line) -> None:
    for number in range(7):
        line = a_line("step", quantity=HOUR // 3 + number, rate="0.37")
        kept.put(an_hour_from(10 + number / 3, line, source=str(number), lasting=0.4))
    whole = sum((each.line.amount for each in kept.sums(after=0, until=99 * HOUR)), start=Fraction(0))
    for cells in (1, 7, 240):
        after, until = 9 * HOUR, 14 * HOUR
        cell = (until - after) // cells
        found = course.course(kept.course(after=after, until=until, cell=cell), cells=cells)
        assert sum(found["used"]) == whole


def test_a_start_stands_where_it_was_and_not_where_it_was_booked(kept, a_line) -> None:
    started, waited = a_line("startup", tenant="", quantity=2 * HOUR), a_line("idle", tenant="", quantity=HOUR)
    kept.put(an_hour_from(10, started, waited))
    found = course.course(kept.course(after=7 * HOUR, until=12 * HOUR, cell=HOUR), cells=5)
    assert found == {"startup": [0, 1, 1, 0, 0], "idle": [0, 0, 0, 1, 0]}


def test_what_began_before_the_window_is_drawn_from_its_edge(kept, a_line) -> None:
    kept.put(an_hour_from(10, a_line("idle", tenant="", quantity=4 * HOUR), lasting=4))
    found = course.course(kept.course(after=12 * HOUR, until=15 * HOUR, cell=HOUR), cells=3)
    assert found == {"idle": [2, 2, 0]}


def test_bytes_and_notes_are_not_on_the_workers_course(a_line) -> None:
    lines = (a_line("egress", quantity=2**30), a_line("bill"), a_line("images", quantity=3), a_line("cancelled"))
    stretches = [Stretch(0, 0, Sum("shapes", "USD", line)) for line in lines]
    assert course.course(stretches, cells=1) == {}
    assert Decimal(course.first_cell(stretches)) == 0
