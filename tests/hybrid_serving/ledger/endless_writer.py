"""Run as a process of its own: puts one interval after the other, and says each number once it is committed."""

import sys
from decimal import Decimal
from pathlib import Path

from hybrid_serving.ledger.entries import Count, Interval, Key, Kind, Line
from hybrid_serving.ledger.sqlite import SqliteStore

path, source, *limit = sys.argv[1:]
store = SqliteStore(Path(path))
for sequence in range(int(limit[0]) if limit else 10**9):
    lines = (
        Line(Key("large", "cloud", "ada", Kind.STEP), Count(999 + sequence, 2), Decimal("0.5")),
        Line(Key("large", "cloud", "", Kind.IDLE), Count(1), Decimal("0.5")),
    )
    interval = Interval(
        service="shapes", source=source, sequence=sequence, began_at=0, ended_at=1, currency="USD", lines=lines
    )
    store.put(interval)
    sys.stdout.write(f"{sequence}\n")
    sys.stdout.flush()
store.close()
