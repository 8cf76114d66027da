"""Intervals that only say what matters."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from hybrid_serving.ledger.entries import Count, Interval, Key, Kind, Line

HOUR = 3_600_000_000_000


def make_line(kind: str = "step", *, tenant: str = "ada", quantity: int = HOUR, rate: str = "1", **key: str) -> Line:
    found = Key(key.get("segment", "large"), key.get("tier", "cloud"), tenant, Kind(kind))  # type: ignore[arg-type]
    return Line(found, Count(quantity, 2), Decimal(rate))


def make_interval(*lines: Line, sequence: int = 0, source: str = "one", ended_at: int = 10, **fields: str) -> Interval:
    return Interval(
        service=fields.get("service", "shapes"),
        source=source,
        sequence=sequence,
        began_at=ended_at - 5,
        ended_at=ended_at,
        currency=fields.get("currency", "USD"),
        lines=lines or (make_line(),),
    )


@pytest.fixture
def a_line() -> Callable[..., Line]:
    return make_line


@pytest.fixture
def an_interval() -> Callable[..., Interval]:
    return make_interval
