from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from hybrid_serving.ledger.entries import Count, Key, Kind, Tariff
from hybrid_serving.ledger.journal import Journal

STEP, IDLE = Key("large", "cloud", "ada", Kind.STEP), Key("large", "cloud", "", Kind.IDLE)
CHEAP, DEAR = Tariff(currency="USD", hour=Decimal(1)), Tariff(currency="USD", hour=Decimal(2))


def a_journal(**fields: object) -> Journal:
    return Journal(**{"service": "shapes", "source": "one", "tariff": CHEAP, "began": 0, **fields})  # type: ignore[arg-type]


def test_an_interval_has_what_was_counted_since_the_last() -> None:
    journal = a_journal()
    first = journal.close({STEP: Count(10, 2)}, now=100, at=1_100)
    second = journal.close({STEP: Count(25, 5), IDLE: Count(3)}, now=150, at=1_150)
    assert first is not None
    assert second is not None
    assert [line.count for line in second.lines] == [Count(15, 3), Count(3)]
    assert (first.sequence, first.began_at, first.ended_at) == (0, 1_000, 1_100)
    assert (second.sequence, second.began_at, second.ended_at) == (1, 1_100, 1_150)


def test_nothing_counted_is_no_interval() -> None:
    journal = a_journal()
    assert journal.close({STEP: Count(0)}, now=100, at=100) is None
    assert journal.sequence == 0


def test_a_price_change_never_rewrites_the_past() -> None:
    journal = a_journal()
    before = journal.close({STEP: Count(10)}, now=100, at=100)
    journal.tariff = DEAR
    after = journal.close({STEP: Count(20)}, now=200, at=200)
    assert [each.lines[0].rate for each in (before, after) if each] == [Decimal(1), Decimal(2)]


def test_a_clock_set_back_moves_an_interval_and_changes_no_quantity() -> None:
    journal = a_journal()
    journal.close({STEP: Count(10)}, now=100, at=5_000)
    after = journal.close({STEP: Count(20)}, now=200, at=3_000)
    assert after is not None
    assert (after.began_at, after.ended_at, after.lines[0].count.quantity) == (2_900, 3_000, 10)


def test_devices_are_paid_by_their_owners() -> None:
    assert DEAR.rate(Key("small", "edge", "ada", Kind.EDGE)) == 0
    assert DEAR.rate(STEP) == 2


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**12)), max_size=20))
def test_intervals_add_up_to_the_totals(steps: list[tuple[int, int]]) -> None:
    journal, total, found = a_journal(), [0, 0], [0, 0]
    for now, (used, idle) in enumerate(steps, start=1):
        total = [total[0] + used, total[1] + idle]
        interval = journal.close({STEP: Count(total[0]), IDLE: Count(total[1])}, now=now, at=now)
        for line in interval.lines if interval else ():
            found[line.key is not STEP and line.key != STEP] += line.count.quantity
    assert found == total
