import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_serving.cloud.pace import Pace, PaceError

tables = st.dictionaries(st.sampled_from([1, 2, 4, 8, 16]), st.floats(0.1, 100), min_size=1)


def test_a_table_without_times_is_refused() -> None:
    with pytest.raises(PaceError, match="build the engine anew"):
        Pace({})


def test_no_padding_where_two_smaller_calls_are_cheaper() -> None:
    assert Pace({1: 1.0, 4: 2.5, 8: 4.5}).first(5) == 4
    assert Pace({1: 1.0, 4: 4.0, 8: 4.5}).first(5) == 8


def test_a_limit_forbids_long_calls() -> None:
    assert Pace({2: 2.0, 8: 3.0}).first(8, limit=2.5) == 2


def test_an_impossible_limit_leaves_the_call_that_has_to_be() -> None:
    assert Pace({2: 2.0, 8: 3.0}).first(2, limit=1.0) == 2


def cheapest(table: dict[int, float], rows: int) -> float:
    """Brute force."""
    if rows <= 0:
        return 0.0
    return min(milliseconds + cheapest(table, rows - bucket) for bucket, milliseconds in table.items())


@given(tables, st.integers(1, 12))
def test_the_first_bucket_begins_a_cheapest_sequence(table: dict[int, float], rows: int) -> None:
    bucket = Pace(table).first(rows)
    assert table[bucket] + cheapest(table, rows - bucket) == pytest.approx(cheapest(table, rows))


@given(tables, st.integers(1, 16))
def test_the_fitting_bucket_holds_the_rows(table: dict[int, float], rows: int) -> None:
    pace = Pace(table)
    assert pace.fitting(rows) >= min(rows, pace.largest)
