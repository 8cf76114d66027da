import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from hybrid_serving.ledger.entries import Count, Interval, Key, Kind, Tariff
from hybrid_serving.ledger.keeper import Keeper
from hybrid_serving.ledger.store import LedgerError

STEP, IDLE = Key("large", "cloud", "ada", Kind.STEP), Key("large", "cloud", "", Kind.IDLE)


class Database:
    """Keeps what it is given, as long as it is there; may lose an acknowledgement."""

    def __init__(self) -> None:
        self.kept: dict[int, Interval] = {}
        self.is_away = False
        self.forgets_to_answer = 0

    def put(self, interval: Interval) -> None:
        if self.is_away:
            raise LedgerError("The ledger is away.")
        assert self.kept.get(interval.sequence, interval) == interval, "what may have been committed never changes"
        self.kept[interval.sequence] = interval
        if self.forgets_to_answer:
            self.forgets_to_answer -= 1
            raise LedgerError("The connection broke.")

    def total(self, key: Key = STEP) -> int:
        lines = (line for interval in self.kept.values() for line in interval.lines)
        return sum(line.count.quantity for line in lines if line.key == key)

    def close(self) -> None:
        pass


class Counter:
    """Counts up when it is read."""

    def __init__(self) -> None:
        self.steps = 0

    def __call__(self) -> dict[Key, Count]:
        self.steps += 1
        return {STEP: Count(self.steps), IDLE: Count(1_000 * self.steps)}


def until(holds: Callable[[], object]) -> None:
    limit = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.002)


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def keeper(database: Database, counter: Counter) -> Iterator[Keeper]:
    keeper = Keeper(database, counter, service="shapes", source="one", period_seconds=0.005)  # type: ignore[arg-type]
    keeper.reprice(Tariff(currency="USD", hour=Decimal(1)))
    keeper.start()
    yield keeper
    keeper.stop()


def test_stopping_writes_what_is_still_open(keeper, database, counter) -> None:
    until(lambda: database.kept)
    keeper.stop()
    assert database.total() == counter.steps


def test_what_is_told_to_stop_in_the_middle_of_a_write_takes_another_turn(counter) -> None:
    class Slow(Database):
        """Its first write lasts until it is let go."""

        def __init__(self) -> None:
            super().__init__()
            self.is_writing, self.may_end = threading.Event(), threading.Event()

        def put(self, interval: Interval) -> None:
            self.is_writing.set()
            assert self.may_end.wait(10)
            super().put(interval)

    database = Slow()
    keeper = Keeper(database, counter, service="s", source="o", period_seconds=0.001)  # type: ignore[arg-type]
    keeper.reprice(Tariff())
    keeper.start()
    assert database.is_writing.wait(10)
    stopping = threading.Thread(target=keeper.stop)
    stopping.start()
    until(keeper._stopping.is_set)
    counter.steps += 1_000
    database.may_end.set()
    stopping.join(10)
    assert database.total() == counter.steps > 1_000


def test_while_the_database_is_away_counting_goes_on_and_the_gap_shows(keeper, database, counter) -> None:
    until(lambda: database.kept)
    database.is_away = True
    until(lambda: keeper.failures >= 3)
    assert keeper.behind_seconds > 0
    database.is_away = False
    until(lambda: not keeper.behind_seconds)
    keeper.stop()
    assert database.total() == counter.steps


def test_a_lost_acknowledgement_books_nothing_twice(keeper, database, counter) -> None:
    database.forgets_to_answer = 3
    until(lambda: len(database.kept) > 5)
    keeper.stop()
    assert database.total() == counter.steps
    assert keeper.failures == 3


def test_a_price_change_begins_a_new_interval_also_while_the_database_is_away(keeper, database, counter) -> None:
    database.is_away = True
    until(lambda: keeper.failures)
    keeper.reprice(Tariff(currency="USD", hour=Decimal(2)))
    time.sleep(0.02)
    keeper.reprice(Tariff(currency="USD", hour=Decimal(3)))
    time.sleep(0.02)
    database.is_away = False
    until(lambda: database.kept)
    keeper.stop()
    rates = [interval.lines[0].rate for _, interval in sorted(database.kept.items())]
    assert rates == sorted(rates)
    assert set(rates) == {1, 2, 3}
    assert database.total() == counter.steps


def test_idle_time_alone_waits_for_company(database) -> None:
    idle = iter(range(1, 10**6))
    keeper = Keeper(database, lambda: {IDLE: Count(next(idle))}, service="s", source="o", period_seconds=0.001)  # type: ignore[arg-type]
    keeper.reprice(Tariff())
    keeper.start()
    time.sleep(0.05)
    assert not database.kept
    keeper.stop()
    assert len(database.kept) == 1


def test_counting_that_fails_ends_nothing(database) -> None:
    answers = iter([ZeroDivisionError(), {STEP: Count(5)}])

    def read() -> dict[Key, Count]:
        answer = next(answers, {STEP: Count(5)})
        if isinstance(answer, Exception):
            raise answer
        return answer

    keeper = Keeper(database, read, service="s", source="o", period_seconds=0.001)  # type: ignore[arg-type]
    keeper.reprice(Tariff())
    keeper.start()
    until(lambda: database.kept)
    keeper.stop()
    assert keeper.failures == 1


def test_nothing_is_kept_before_its_price_is_known(database, counter) -> None:
    keeper = Keeper(database, counter, service="s", source="o", period_seconds=0.001)  # type: ignore[arg-type]
    keeper.start()
    time.sleep(0.02)
    assert not database.kept
    keeper.reprice(Tariff(currency="USD", hour=Decimal(2)))
    until(lambda: database.kept)
    keeper.stop()
    assert {line.rate for interval in database.kept.values() for line in interval.lines} == {2}
