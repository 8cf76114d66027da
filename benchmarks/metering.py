"""What metering costs a request-step: stopwatches, shares, bookings of a call, and the telling once a second.

Nothing else of the loop runs here, so what is measured is what would be saved by not counting at all.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter_ns

from rich.console import Console
from rich.table import Table

from hybrid_serving.cloud import readings
from hybrid_serving.cloud.books import Account, Books
from hybrid_serving.cloud.clocks import Clocks
from hybrid_serving.cloud.metrics import NoMeter
from hybrid_serving.cloud.program import BatchKey, Item
from hybrid_serving.cloud.telling import Telling
from hybrid_serving.cloud.timings import Timings
from hybrid_serving.ledger.entries import Tariff

BATCHES = (1, 2, 4, 8, 16)
"""Guided images of a call: twice as many rows."""
TENANTS = 20
_KEY = BatchKey("unet", "base", (8, 8, 8))


def booking_microseconds(*, images: int, calls: int) -> float:
    """Of one image in one call: two readings of the stopwatch, the shares, and everything that is added up."""
    books, timings = Books(), Timings()
    accounts = [Account(f"tenant-{index % TENANTS}") for index in range(images)]
    items = [Item("step", _KEY, 2) for _ in range(images)]
    bucket = 2 * images + 1  # with a row of padding, which takes the longer way
    began = perf_counter_ns()
    for call in range(calls):
        started = perf_counter_ns()
        taken = perf_counter_ns() - started + 1_000_003 + call
        books.book(items, accounts, bucket=bucket, nanoseconds=taken)
        timings.call("step", taken)
    return (perf_counter_ns() - began) / calls / images / 1e3


def telling_microseconds() -> float:
    """Of one second's telling, with the copy of the books that the engine's thread makes for it."""
    books = Books()
    for index in range(TENANTS):
        for kind in ("encode", "step", "decode", "preview"):
            books.book([Item(kind, _KEY, 1)], [Account(f"tenant-{index}")], bucket=1, nanoseconds=1_000_000)
    telling = Telling(meter=NoMeter(), segment="large", tariff=Tariff(currency="USD"))
    found = []
    for _ in range(200):
        began = perf_counter_ns()
        clocks = Clocks(total_nanoseconds=10**9, idle_nanoseconds=0, host_nanoseconds=0, books=books.copy())
        telling.counted(readings.totals(clocks, segment="large"))
        found.append((perf_counter_ns() - began) / 1e3)
    return statistics.median(found)


def measure(*, calls: int) -> dict[str, float]:
    """Medians of five, by what was measured."""
    result = {
        f"{images} images a call": statistics.median(booking_microseconds(images=images, calls=calls) for _ in range(5))
        for images in BATCHES
    }
    return {**result, "telling, once a second": telling_microseconds()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, optionally write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    sys.setswitchinterval(0.001)  # as in a replica
    result = measure(calls=options.calls)
    table = Table("metering", "µs a request-step")
    for name, microseconds in result.items():
        table.add_row(name, f"{microseconds:.2f}")
    Console().print(table)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
