"""The identities of the cost model, held under a random load over the real loop and the real ledger.

Shares + waste + idle + unattributed = the bill, exactly; what clients were told is what was booked; no nanosecond is in
two intervals, whatever happens meanwhile.
"""

import random
import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid_serving.cloud import readings
from hybrid_serving.cloud.clocks import Clocks
from hybrid_serving.cloud.loop import EngineLoop
from hybrid_serving.ledger.entries import Kind, Role, Tariff
from hybrid_serving.ledger.journal import Journal
from hybrid_serving.ledger.sqlite import SqliteStore
from hybrid_serving.ledger.statement import statements
from hybrid_serving.protocol import Image, Released

REQUESTS, LOOPS = 600, 4
TENANTS = ("ada", "bob", "eve")
RATES = (Decimal("0.0632"), Decimal("0.71"), Decimal("1.003"))
WAIT = 30.0


class Load:
    """Plays random requests against one loop after the other, and keeps the intervals of each."""

    def __init__(self, make: Any, some_work: Any, *, store: SqliteStore, seed: int) -> None:
        self._make, self._some_work = make, some_work
        self._store = store
        self._random = random.Random(seed)
        self.told = 0
        """Nanoseconds that clients were told in answers."""
        self.in_vain = 0
        self.billed_from_outside = 0
        self.clocks: list[Clocks] = []
        self.outcomes: dict[str, int] = {}
        self.priced = Fraction(0)
        """The bill of all loops, at the prices of each moment."""

    def play(self, requests: int, *, source: str) -> None:
        """One loop's life."""
        replica = self._make(capacity=16)
        self._break_some_pictures(replica)
        began = time.perf_counter_ns()
        loop = EngineLoop(replica.stages)
        loop.start()
        journal = Journal(service="shapes", source=source, tariff=self._tariff(), began=began)
        pending: list[Any] = []
        for index in range(requests):
            pending.append(self._submit(loop, replica, name=f"{source}-{index}"))
            if self._random.random() < 0.2:
                time.sleep(self._random.random() * 0.002)
            if self._random.random() < 0.15:
                ticket, _ = self._random.choice(pending)
                loop.cancel(ticket)
            if self._random.random() < 0.05:
                self._close(loop, journal)
            if self._random.random() < 0.03:
                self._close(loop, journal)
                journal.tariff = self._tariff()
        if self._random.random() < 0.5:
            loop.ask(lambda: None).result(WAIT)
            time.sleep(0.02)
        # The last word of a loop that is ended under load; what it still held fails, at least this one.
        pending.append(self._submit(loop, replica, name=f"{source}-last", steps=1000))
        loop.close()
        self.billed_from_outside += time.perf_counter_ns() - began
        self._settle(pending)
        self.clocks.append(loop.clocks())
        self._put(journal, self.clocks[-1])

    def _submit(self, loop: EngineLoop, replica: Any, *, name: str, steps: int | None = None) -> Any:
        steps = steps or self._random.randint(2, 6)
        work = self._some_work(
            id=name,
            steps=steps,
            stop=self._random.choice([steps, self._random.randint(1 if steps <= 6 else 900, steps)]),
            seed=self._random.getrandbits(63),
            prompt=f"a {self._random.choice(['red', 'blue', 'broken'])} circle",
            guidance_scale=self._random.choice([1.0, 5.0]),
            previews=self._random.choice([0, 0, 2]),
            tenant=self._random.choice(TENANTS),
        )
        events: list[Any] = []
        return loop.submit(replica.prepare(work), events.append), events

    def _break_some_pictures(self, replica: Any) -> None:
        compute = replica.decoder._compute

        def sometimes_broken(arrays: Any, held: Any) -> Any:
            decoded = compute(arrays, held)
            if self._random.random() < 0.2:
                decoded[0] = np.nan
            return decoded

        replica.decoder._compute = sometimes_broken

    def _tariff(self) -> Tariff:
        return Tariff(currency="USD", hour=self._random.choice(RATES))

    def _close(self, loop: EngineLoop, journal: Journal) -> None:
        self._put(journal, loop.ask(loop.clocks).result(WAIT))

    def _put(self, journal: Journal, clocks: Clocks) -> None:
        interval = journal.close(
            readings.totals(clocks, segment="large"), now=time.perf_counter_ns(), at=time.time_ns()
        )
        if interval is not None:
            self._store.put(interval)
            self._store.put(interval)  # a repeat after a lost acknowledgement books nothing twice
            roles = (Role.USED, Role.OVERHEAD)
            self.priced += sum(line.amount for line in interval.lines if line.key.kind.role in roles)

    def _settle(self, pending: list[Any]) -> None:
        for ticket, events in pending:
            answers = [event for event in events if isinstance(event, Image | Released | Exception)]
            spent = sum(ticket.task.account.nanoseconds.values())
            outcome = type(answers[0]).__name__ if answers else "cancelled"
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
            if answers and isinstance(answers[0], Image | Released):
                self.told += sum(answers[0].usage.nanoseconds.values())
            else:
                self.in_vain += spent


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_nanosecond_is_booked_once(a_replica, some_work, tmp_path: Path, seed: int) -> None:
    store = SqliteStore(tmp_path / "ledger.sqlite")
    load = Load(a_replica, some_work, store=store, seed=seed)
    for number in range(LOOPS):
        load.play(REQUESTS // LOOPS, source=f"loop-{number}")
    (statement,) = statements(store.sums(after=0, until=time.time_ns()), by=("tenant", "kind"))
    store.close()

    booked = sum(clocks.books.booked_nanoseconds for clocks in load.clocks)
    assert {"Image", "Released", "cancelled", "PixelsError", "LoopEnded"} <= set(load.outcomes), "all that can happen"
    assert sum(load.outcomes.values()) == REQUESTS + LOOPS
    assert load.told + load.in_vain == booked, "clients are told what was booked, or it was in vain"
    assert statement.count.engine_nanoseconds == booked, "the ledger has what the books have"
    assert statement.count.vain_nanoseconds == load.in_vain

    overhead = sum(
        clocks.books.padding_nanoseconds + clocks.host_nanoseconds + clocks.idle_nanoseconds for clocks in load.clocks
    )
    total = sum(clocks.total_nanoseconds for clocks in load.clocks)
    unattributed = sum(clocks.unattributed_nanoseconds for clocks in load.clocks)
    assert booked + overhead + unattributed == total
    assert load.billed_from_outside >= booked + overhead, "no time is booked that did not pass"

    assert statement.used + sum(statement.overhead.values()) == load.priced, "exactly, at the prices of each moment"
    assert {key[0] for key in statement.groups} == set(TENANTS)
    assert {Kind.PADDING, Kind.HOST, Kind.IDLE} <= set(statement.overhead)
