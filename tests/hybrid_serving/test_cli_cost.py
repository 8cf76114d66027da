"""What `hybrid cost` says about a ledger, and about one that is not there."""

import json
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from hybrid_serving.cli import entry
from hybrid_serving.ledger.entries import Count, Interval, Key, Kind, Line
from hybrid_serving.ledger.sqlite import SqliteStore

HOUR = 3_600_000_000_000
RATE = Decimal("0.0632")


@pytest.fixture
def hybrid(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("COLUMNS", "160")

    def run(*arguments: object) -> tuple[int, str, str]:
        code = entry.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def a_line(kind: Kind, quantity: int, *, segment: str = "large", tenant: str = "", rate: Decimal = RATE) -> Line:
    tier = "edge" if kind is Kind.EDGE else "cloud"
    return Line(Key(segment, tier, tenant, kind), Count(quantity, 4), rate)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A folder whose ledger has an hour of yesterday and one of just now."""
    store = SqliteStore(tmp_path / "ledger" / "ledger.sqlite")
    lines = (
        a_line(Kind.STEP, HOUR // 2, tenant="ada"),
        a_line(Kind.STEP, HOUR // 4, tenant="bob"),
        a_line(Kind.DECODE, HOUR // 8, tenant="bob", segment="small"),
        a_line(Kind.IDLE, HOUR // 16),
        a_line(Kind.BILL, HOUR),
        a_line(Kind.EGRESS, 2**30, tenant="ada", segment="", rate=Decimal("0.09")),
        a_line(Kind.IMAGES, 12, tenant="ada", segment="", rate=Decimal(0)),
        a_line(Kind.ALL_CLOUD, 10**12, segment="", rate=Decimal(0)),
        a_line(Kind.COMPARED, 6 * 10**11, segment="", rate=Decimal(0)),
    )
    now = time.time_ns()
    for sequence, ended_at in enumerate((now - 30 * HOUR, now - 1000)):
        store.put(
            Interval(
                service="shapes",
                source="one",
                sequence=sequence,
                began_at=ended_at - HOUR,
                ended_at=ended_at,
                currency="USD",
                lines=lines,
            )
        )
    store.close()
    return tmp_path


def test_the_parts_of_the_document_add_up_to_its_total(hybrid, state: Path) -> None:
    code, out, _ = hybrid("cost", "--state", state, "--json")
    assert code == 0
    (told,) = json.loads(out)["statements"]
    parts = [told["used"], told["unattributed"], *told["overhead"].values()]
    assert sum(map(Decimal, parts)) == Decimal(told["total"])
    assert Decimal(told["total"]) == RATE + Decimal("0.09")
    assert told["saving"] == "0.4000"
    assert {(group["model"], group["tenant"]): group["images"] for group in told["groups"]} == {
        ("large", "ada"): 0,
        ("large", "bob"): 0,
        ("small", "bob"): 0,
        ("-", "ada"): 12,
    }


def test_a_longer_window_has_more(hybrid, state: Path) -> None:
    totals = []
    for window in ("24h", "2d"):
        _, out, _ = hybrid("cost", "--state", state, "--json", "--window", window)
        totals.append(Decimal(json.loads(out)["statements"][0]["total"]))
    assert totals[1] == 2 * totals[0]


def test_people_see_who_what_and_why(hybrid, state: Path) -> None:
    code, out, _ = hybrid("cost", "--state", state, "--aggregate", "tenant")
    assert code == 0
    for said in ("ada", "bob", "idle", "unattributed", "The split saved 40.0%", "workers waited for work"):
        assert said in out


def test_nothing_served_is_said_so(hybrid, state: Path) -> None:
    code, out, _ = hybrid("cost", "--state", state, "--window", "1m", "--aggregate", "kind")
    assert code == 0
    empty = state / "empty"
    SqliteStore(empty / "ledger" / "ledger.sqlite").latest()
    _, out, _ = hybrid("cost", "--state", empty)
    assert "Nothing was served in the last 24h" in out


def test_entries_of_the_future_are_told_and_not_added(hybrid, state: Path) -> None:
    store = SqliteStore(state / "ledger" / "ledger.sqlite")
    later = time.time_ns() + HOUR
    line = a_line(Kind.STEP, HOUR, tenant="ada")
    store.put(
        Interval(service="shapes", source="two", sequence=0, began_at=0, ended_at=later, currency="USD", lines=(line,))
    )
    store.close()
    code, out, err = hybrid("cost", "--state", state, "--json")
    assert code == 0
    assert Decimal(json.loads(out)["statements"][0]["total"]) == RATE + Decimal("0.09")
    assert "Check the clock" in err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--window", "-1h"], 2, "expected a number with m, h or d"),
        (["--window", "1y"], 2, "expected a number with m, h or d"),
        (["--window", "0h"], 2, "expected a number with m, h or d"),
        (["--aggregate", "colour"], 2, "expected any of `service`"),
        (["--aggregate", "tenant,tenant"], 2, "each once"),
        (["--ledger", "mysql://u:secret@h/d"], 1, "expected `sqlite:///` or `postgresql://`"),
        (["--ledger", "postgresql://u:secret@127.0.0.1:9/d"], 1, "PostgreSQL cannot be used"),
        ([], 1, "nothing was served from this folder yet"),
    ],
)
def test_a_mistake_is_one_sentence(hybrid, tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    found, out, err = hybrid("cost", "--state", tmp_path, *arguments)
    assert (found, out) == (code, "")
    assert said in err
    assert "secret" not in err
    assert err.count("\n") == 1


def test_what_is_forgotten_is_said_and_gone(hybrid, state: Path) -> None:
    code, _, said = hybrid("cost", "--state", state, "--window", "30d", "--forget", "12h", "--json")
    assert code == 0
    assert "Deleted 1 intervals" in said
    code, _, said = hybrid("cost", "--state", state, "--forget", "12h", "--json")
    assert "Deleted 0 intervals" in said


def test_deleting_from_a_ledger_that_is_not_there_makes_none(hybrid, tmp_path: Path) -> None:
    code, _, said = hybrid("cost", "--state", tmp_path, "--forget", "1d")
    assert code == 1
    assert "nothing was served from this folder yet" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("age", ["0d", "yesterday", "-1d"])
def test_an_age_that_is_none_deletes_nothing(hybrid, state: Path, age: str) -> None:
    assert hybrid("cost", "--state", state, f"--forget={age}")[0] == 2
    assert "Deleted 1" in hybrid("cost", "--state", state, "--forget", "12h")[2]
