"""The cost page of a ledger: the figures of `hybrid cost`, drawn."""

import json
import time
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image

from hybrid_serving.cli import entry, ledger_page
from hybrid_serving.cli.cost_page import CostPage, Window
from hybrid_serving.cli.failures import Failure, UsageFailure
from hybrid_serving.ledger.entries import PARTS_OF_MONEY, Count, Interval, Key, Kind, Line
from hybrid_serving.ledger.sqlite import SqliteStore

HOUR = 3_600_000_000_000
NOW = 1_000 * HOUR


def a_line(kind: str, quantity: int, *, tenant: str = "", segment: str = "large", tier: str = "cloud") -> Line:
    key = Key(segment, tier, tenant, Kind(kind))  # type: ignore[arg-type]
    return Line(key, Count(quantity), Decimal(1) if key.kind.unit.value == HOUR else Decimal(0))


DAY = (
    a_line("step", 2 * HOUR, tenant="ada"),
    a_line("decode", HOUR, tenant="bob", segment="small"),
    a_line("idle", 4 * HOUR),
    a_line("startup", HOUR),
    a_line("bill", 9 * HOUR),
    a_line("images", 30, tenant="ada", segment=""),
    a_line("images", 10, tenant="ada", segment="", tier="edge"),
    a_line("all_cloud", 8 * PARTS_OF_MONEY, tenant="ada", segment=""),
    a_line("compared", 3 * PARTS_OF_MONEY, tenant="ada", segment=""),
)


def a_ledger(path: Path, *lines: Line, currency: str = "USD", service: str = "shapes", now: int = NOW) -> Path:
    store = SqliteStore(path)
    began, ended = now - 10 * HOUR, now - HOUR
    interval = Interval(
        service=service,
        source=f"{service}-{currency}",
        sequence=0,
        began_at=began,
        ended_at=ended,
        currency=currency,
        lines=lines,
    )
    store.put(interval)
    store.close()
    return path


def a_page(path: Path, *, hours: float = 24, resource: str = ".*") -> CostPage:
    store = SqliteStore(path, is_read_only=True)
    end = NOW / 1e9
    try:
        return ledger_page.read(store, Window(start=end - hours * 3600, end=end, resource=resource))
    finally:
        store.close()


def test_the_page_says_what_the_statement_says(tmp_path: Path) -> None:
    page = a_page(a_ledger(tmp_path / "l", *DAY))
    assert (page.total, page.currency, page.saved_money) == (9.0, "USD", 5.0)
    assert page.saved == pytest.approx(5 / 8)
    assert page.idle == pytest.approx(4 / 9)
    assert page.pictures == {"cloud": 30, "edge": 10}
    assert page.by_tenant == {"ada": 2.0, "bob": 1.0}
    assert page.by_model == {"large": 2.0, "small": 1.0}
    assert next(iter(page.by_kind.items())) == ("idle", 4.0)
    assert page.by_kind["unattributed"] == 1.0


def test_the_course_comes_to_what_workers_cost(tmp_path: Path) -> None:
    page = a_page(a_ledger(tmp_path / "l", *DAY))
    cell_hours = page.window.seconds / 3600 / 240
    summed = {name: sum(amount for _, amount in points) * cell_hours for name, points in page.course.items()}
    assert summed == pytest.approx({"used": 3.0, "idle": 4.0, "startup": 1.0})


def test_a_young_ledger_is_shown_from_its_beginning(tmp_path: Path) -> None:
    page = a_page(a_ledger(tmp_path / "l", *DAY), hours=24 * 30)
    assert 10 * 3600 <= page.window.seconds <= 15 * 3600, "ten hours, and at most one cell of the month before"
    assert page.total == 9.0, "the sums are of all that was asked for"


def test_a_window_with_nothing_in_it_is_empty(tmp_path: Path) -> None:
    assert a_page(a_ledger(tmp_path / "l", *DAY), hours=0.5).is_empty


def test_different_currencies_are_not_added_up(tmp_path: Path) -> None:
    a_ledger(tmp_path / "l", *DAY)
    a_ledger(tmp_path / "l", *DAY, currency="EUR", service="other")
    with pytest.raises(Failure, match="EUR and USD"):
        a_page(tmp_path / "l")
    assert a_page(tmp_path / "l", resource="shapes").currency == "USD"


def test_what_has_no_price_does_not_hide_what_has_one(tmp_path: Path) -> None:
    a_ledger(tmp_path / "l", *DAY)
    a_ledger(tmp_path / "l", *DAY, currency="", service="other")
    assert a_page(tmp_path / "l").currency == "USD"


def test_a_resource_that_is_no_expression_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageFailure, match="`--resource`"):
        a_page(a_ledger(tmp_path / "l", *DAY), resource="[")


def test_without_a_prometheus_the_command_reads_the_ledger(capsys, tmp_path: Path) -> None:
    a_ledger(tmp_path / "serve" / "ledger" / "ledger.sqlite", *DAY, now=time.time_ns())
    arguments = ["dashboard", "--state", str(tmp_path / "serve"), "-o", str(tmp_path / "c.html"), "--json"]
    assert entry.run(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["total"] == 9.0
    assert "Exact sums of the ledger" in Path(told["page"]).read_text()
    with Image.open(told["picture"]) as picture:
        assert picture.width > 1200


def test_where_nothing_was_served_the_command_says_so(capsys, tmp_path: Path) -> None:
    assert entry.run(["dashboard", "--state", str(tmp_path), "-o", str(tmp_path / "c.html")]) == 1
    assert "nothing was served from this folder yet" in capsys.readouterr().err
