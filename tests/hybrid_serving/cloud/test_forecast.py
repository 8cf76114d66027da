from hypothesis import given
from hypothesis import strategies as st

from hybrid_serving.cloud.forecast import Demand, wait_milliseconds
from hybrid_serving.cloud.pace import Pace

PACE = Pace({1: 1.0, 2: 1.5, 4: 2.0})


def test_nobody_waits_where_there_is_a_place() -> None:
    assert wait_milliseconds([Demand(rows=2, calls=50)], rows=2, pace=PACE) == 0


def test_a_full_replica_is_waited_for_until_its_first_place_is_free() -> None:
    demands = [Demand(rows=2, calls=3), Demand(rows=2, calls=10)]
    assert wait_milliseconds(demands, rows=2, pace=PACE) == 3 * 2.0


def test_those_who_came_before_take_free_places_first() -> None:
    demands = [Demand(rows=4, calls=3), Demand(rows=4, calls=5)]
    assert wait_milliseconds(demands, rows=1, pace=PACE) == (3 + 5) * 2.0


def test_nobody_waits_for_more_than_a_whole_call() -> None:
    assert wait_milliseconds([Demand(rows=1, calls=2)], rows=2, pace=Pace({1: 5.0})) == 10.0


@given(st.lists(st.builds(Demand, rows=st.integers(1, 4), calls=st.integers(1, 30)), max_size=8), st.integers(1, 4))
def test_more_work_never_shortens_the_wait(demands: list[Demand], rows: int) -> None:
    less = wait_milliseconds(demands[:-1], rows=rows, pace=PACE)
    assert less <= wait_milliseconds(demands, rows=rows, pace=PACE) + 1e-9
