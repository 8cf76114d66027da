"""A worker's books turned outwards: once a second to the meter, every few seconds to the ledger, at the prices of now.

Reads what the engine loop counted; it counts nothing itself and keeps the loop waiting for nothing.
"""

from collections.abc import Mapping
from pathlib import Path

from hybrid_api import cost
from hybrid_api.prices import PriceList
from hybrid_serving.cloud import clocks, pricing, readings
from hybrid_serving.cloud.books import Books
from hybrid_serving.cloud.metrics import Meter
from hybrid_serving.cloud.telling import Telling
from hybrid_serving.cloud.worker import Load, Worker
from hybrid_serving.ledger import keeper, store
from hybrid_serving.ledger.journal import Totals


class Bookkeeping:
    """From a worker that takes work to `close`."""

    def __init__(
        self,
        worker: Worker,
        *,
        service: str,
        segment: str,
        resources: cost.Resources,
        meter: Meter,
        mounts: Path,
    ) -> None:
        self._worker = worker
        self._segment = segment
        self.resources = resources
        # Loading engines is part of what a replica costs, and over when its loop began.
        self._startup = max(0, clocks.process_age_nanoseconds() - worker.clocks().total_nanoseconds)
        self._telling = Telling(meter=meter, segment=segment)
        self._telling.started(self._startup / 1e9)
        kept = store.mounted(mounts)
        self._keeper = keeper.Keeper(kept, self._read, service=service, source=keeper.source(segment)) if kept else None
        if self._keeper is not None:
            self._keeper.start()

    def reprice(self, prices: PriceList | None) -> None:
        """From now on at these prices."""
        tariff = pricing.tariff(self.resources, prices)
        self._telling.tariff = tariff
        self._telling.hourly = pricing.by_resource(self.resources, prices)
        if self._keeper is not None:
            self._keeper.reprice(tariff)

    def tell(self, load: Load) -> None:
        """Bring the metrics up to date."""
        books = load.clocks.books
        self._telling.counted(self._totals(load.clocks))
        self._telling.calls(
            {str(kind): count for kind, count in books.calls.items()},
            {**_rows_by_kind(books), "padding": books.padding_rows},
        )
        self._telling.steps(_steps_by_tenant(books))
        self._telling.cached(hits=load.prompt_hits, misses=load.prompt_misses)
        self._telling.timed(self._worker.timings)
        self._telling.now(outstanding_seconds=load.milliseconds / 1000, wait_seconds=load.wait_seconds)
        if self._keeper is not None:
            self._telling.ledger(behind_seconds=self._keeper.behind_seconds, failures=self._keeper.failures)

    def close(self) -> None:
        """Book what is still open, and end."""
        if self._keeper is not None:
            self._keeper.stop()

    def _read(self) -> Totals:
        return self._totals(self._worker.clocks())

    def _totals(self, found: clocks.Clocks) -> Totals:
        return readings.totals(found, segment=self._segment, startup_nanoseconds=self._startup)


def _rows_by_kind(books: Books) -> Mapping[str, int]:
    rows: dict[str, int] = {}
    for (_, kind), count in books.rows.items():
        rows[kind] = rows.get(kind, 0) + count
    return rows


def _steps_by_tenant(books: Books) -> Mapping[str, int]:
    return {tenant: count for (tenant, kind), count in books.rows.items() if kind == "step"}
