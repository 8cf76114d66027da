"""A worker's books turned outwards: to a meter, and to a ledger."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hybrid_api.cost import Resources
from hybrid_api.metric_names import EXPORTED, Metric
from hybrid_api.prices import PriceList
from hybrid_serving.cli import mounts
from hybrid_serving.cloud.bookkeeping import Bookkeeping
from hybrid_serving.ledger.entries import Kind
from hybrid_serving.ledger.sqlite import SqliteStore
from hybrid_serving.ledger.statement import statements

PRICES = PriceList(currency="USD", cpu_core_hour=Decimal("0.0316"), memory_gib_hour=Decimal("0.0042"))
TWO_CORES = Resources(cpu_cores=Decimal(2))


class Recorder:
    """A meter that remembers, and takes only what is declared for a worker."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, ...], float] = {}
        self.observed: dict[str, int] = {}

    def add(self, metric: Metric, amount: float, labels: Mapping[str, str]) -> None:
        key = self._key(metric, labels)
        assert amount >= 0
        self.values[key] = self.values.get(key, 0.0) + amount

    def show(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        self.values[self._key(metric, labels)] = value

    def observe(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        self.observed[self._key(metric, labels)[0]] = self.observed.get(metric.name, 0) + 1

    def sum(self, name: str, *labels: str) -> float:
        return sum(value for key, value in self.values.items() if key[0] == name and set(labels) <= set(key))

    def _key(self, metric: Metric, labels: Mapping[str, str]) -> tuple[str, ...]:
        assert metric in EXPORTED["worker"]
        assert tuple(labels) == metric.labels
        return (metric.name, *labels.values())


class Kept:
    """Bookkeeping of a fake replica, with what it told and kept."""

    def __init__(self, replica: Any, folder: Path, *, resources: Resources = TWO_CORES) -> None:
        self.worker = replica.worker
        self.meter = Recorder()
        self.path = folder / "ledger.sqlite"
        mounts.write_ledger(folder, path=self.path)
        self.books = Bookkeeping(
            self.worker, service="shapes", segment="large", resources=resources, meter=self.meter, mounts=folder
        )

    def draw(self, *works: Any) -> None:
        async def together() -> None:
            await asyncio.gather(*(self.worker.run(work) for work in works))
            self.books.tell(await self.worker.load())

        asyncio.run(together())

    def statement(self) -> Any:
        self.books.close()
        store = SqliteStore(self.path, is_read_only=True)
        (found,) = statements(store.sums(after=0, until=time.time_ns()), by=("tenant",))
        store.close()
        return found


@pytest.fixture
def kept(a_replica, tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(a_replica(), tmp_path)
    kept.books.reprice(PRICES)
    yield kept
    kept.books.close()


def test_the_meter_and_the_ledger_say_the_same(kept: Kept, some_work) -> None:
    kept.draw(some_work(tenant="ada"), some_work(tenant="bob", guidance_scale=1.0, seed=9))
    told = kept.meter.sum("hybriddiffusion_cost")
    statement = kept.statement()
    assert float(statement.used) == pytest.approx(told)
    assert {key[0] for key in statement.groups} == {"ada", "bob"}
    assert kept.meter.sum("hybriddiffusion_engine_seconds") * 1e9 == pytest.approx(statement.count.engine_nanoseconds)
    assert kept.meter.sum("hybriddiffusion_steps", "ada") == 10
    assert kept.meter.sum("hybriddiffusion_steps", "bob") == 5


def test_everything_that_a_worker_costs_is_told_once(kept: Kept, some_work) -> None:
    began = time.perf_counter()
    kept.draw(some_work(previews=2))
    seconds = kept.meter.sum("hybriddiffusion_engine_seconds") + kept.meter.sum("hybriddiffusion_overhead_seconds")
    startup = kept.meter.sum("hybriddiffusion_overhead_seconds", "startup")
    assert 0 < seconds - startup < time.perf_counter() - began + 5.0
    money = kept.meter.sum("hybriddiffusion_cost") + kept.meter.sum("hybriddiffusion_overhead_cost")
    assert money == pytest.approx(seconds * 2 * 0.0316 / 3600)
    assert kept.meter.sum("hybriddiffusion_hourly_cost") == pytest.approx(2 * 0.0316)


def test_calls_rows_waits_steps_and_starts_are_told(kept: Kept, some_work) -> None:
    kept.draw(some_work(steps=5))
    assert kept.meter.sum("hybriddiffusion_engine_calls", "step") == 5
    assert kept.meter.sum("hybriddiffusion_engine_rows", "step") == 10
    assert kept.meter.sum("hybriddiffusion_prompt_cache_requests", "miss") == 2
    assert kept.meter.observed["hybriddiffusion_step_seconds"] == 5
    assert kept.meter.observed["hybriddiffusion_queue_wait_seconds"] == 1
    assert kept.meter.observed["hybriddiffusion_cold_start_seconds"] == 1
    kept.draw()
    assert kept.meter.sum("hybriddiffusion_engine_calls", "step") == 5, "a second telling adds nothing"


def test_startup_is_part_of_the_cost(kept: Kept, some_work) -> None:
    kept.draw(some_work())
    assert kept.statement().overhead[Kind.STARTUP] > 0


def test_a_price_that_is_missing_books_time_and_no_money(a_replica, tmp_path: Path, some_work, caplog) -> None:
    kept = Kept(a_replica(), tmp_path, resources=Resources(cpu_cores=Decimal(2), gpus=1, gpu_type="unheard-of"))
    kept.books.reprice(PRICES)
    kept.draw(some_work())
    assert "gpuHour.unheard-of" in caplog.text
    assert kept.meter.sum("hybriddiffusion_is_priced") == 0
    assert kept.meter.sum("hybriddiffusion_cost") == 0
    statement = kept.statement()
    assert statement.currency == ""
    assert statement.total == 0
    assert statement.count.engine_nanoseconds > 0


def test_a_price_change_is_for_what_comes_after(kept: Kept, some_work) -> None:
    kept.draw(some_work())
    before = kept.meter.sum("hybriddiffusion_cost")
    kept.books.reprice(PRICES.model_copy(update={"cpu_core_hour": Decimal("0.316")}))
    kept.draw(some_work(seed=9))
    after = kept.meter.sum("hybriddiffusion_cost") - before
    seconds = kept.meter.sum("hybriddiffusion_engine_seconds")
    assert before == pytest.approx((seconds - after * 3600 / 0.632) * 0.0632 / 3600)
    kept.books.close()
    store = SqliteStore(kept.path, is_read_only=True)
    rates = {each.line.rate for each in store.sums(after=0, until=time.time_ns()) if each.line.key.tenant == ""}
    store.close()
    assert rates <= {Decimal("0.0632"), Decimal("0.632")}


def test_without_a_ledger_metrics_are_told_all_the_same(a_replica, tmp_path: Path, some_work) -> None:
    replica = a_replica()
    meter = Recorder()
    books = Bookkeeping(
        replica.worker, service="s", segment="large", resources=TWO_CORES, meter=meter, mounts=tmp_path / "none"
    )
    books.reprice(None)

    async def draw() -> None:
        await replica.worker.run(some_work())
        books.tell(await replica.worker.load())

    asyncio.run(draw())
    books.close()
    assert meter.sum("hybriddiffusion_engine_seconds") > 0
    assert meter.sum("hybriddiffusion_cost") == 0
