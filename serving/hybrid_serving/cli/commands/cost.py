"""`hybrid cost`: what serving cost, from the ledger: who used what, what idled, whether it adds up to the bill."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Group, RenderableType

from hybrid_serving.cli import focus, ledgers, output, statement_view, windows
from hybrid_serving.cli.failures import Failure, UsageFailure, reported
from hybrid_serving.ledger import store
from hybrid_serving.ledger.statement import DIMENSIONS, Dimension, statements

EXAMPLES = """[bold]Examples[/]

hybrid cost --window 24h

hybrid cost --window 7d --aggregate tenant

hybrid cost --window 1d --focus yesterday.csv   [dim]# rows for a FinOps tool[/]

hybrid cost --forget 400d   [dim]# deletes what is older, for good[/]

hybrid cost --ledger postgresql://reader@ledger/db --json   [dim]# of a cluster[/]"""

Window = Annotated[str, typer.Option(help="How far back to look: a number with m, h or d.")]
Aggregate = Annotated[str, typer.Option(help=f"What to break it down by, in this order: {', '.join(DIMENSIONS)}.")]
Focus = Annotated[Path | None, typer.Option("--focus", help="Also write everything as FOCUS 1.2 rows into a CSV file.")]
Forget = Annotated[
    str | None, typer.Option(help="First delete what is longer ago than this, for good: a number with m, h or d.")
]


def cost(
    *,
    window: Window = "24h",
    aggregate: Aggregate = "model,tier,tenant",
    ledger: ledgers.Address = None,
    state: ledgers.State = None,
    focus_path: Focus = None,
    forget: Forget = None,
    as_json: output.Json = False,
) -> None:
    """Show what was served cost: by whom it was used, what nobody used, and what the edge saved."""
    by, until = _dimensions(aggregate), time.time_ns()
    after = until - windows.seconds(window) * 1_000_000_000
    with reported(failure=(store.LedgerError,)):
        address = ledgers.address(ledger, state=state)
        if forget is not None:
            _forget(address, before=until - windows.seconds(forget) * 1_000_000_000)
        found = store.connect(address, is_read_only=True)
        sums, latest = found.sums(after=after, until=until), found.latest() or 0
        found.close()
    if latest > until:
        output.notes().print(
            f"! The ledger has entries up to {_moment(latest)}, after this machine's {_moment(until)}; "
            "they are not shown. Check the clock.",
            style="yellow",
        )
    if focus_path is not None:
        _write(focus_path, focus.document(sums, after=_time(after), until=_time(until)))
    told = statements(sums, by=by)
    document = {
        "after": _moment(after),
        "until": _moment(until),
        "statements": [statement_view.document(each, by=by) for each in told],
    }
    views: list[RenderableType] = [statement_view.view(each, by=by, window=window) for each in told]
    empty = (
        f"Nothing was served in the last {window}; the ledger ends {_moment(latest) if latest else 'before it began'}."
    )
    output.show(document, Group(*(views or [empty])), as_json=as_json)


def _forget(address: str, *, before: int) -> None:
    reader = store.connect(address, is_read_only=True)
    reader.latest()  # what is not there must not be made by deleting from it
    reader.close()
    kept = store.connect(address)
    try:
        count = kept.forget(before=before)
    finally:
        kept.close()
    output.notes().print(f"Deleted {count} intervals that ended before {_moment(before)}.")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise Failure(f"{path} cannot be written ({error.strerror}); choose another place with `--focus`.") from error


def _dimensions(text: str) -> list[Dimension]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = next((name for name in names if name not in DIMENSIONS), None)
    if unknown is not None or len(set(names)) < len(names):
        known = ", ".join(f"`{name}`" for name in DIMENSIONS)
        raise UsageFailure(f"Found `{text}` to aggregate by, expected any of {known}, each once.")
    return [cast("Dimension", name) for name in names]


def _time(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds // 1_000_000_000, tz=UTC)


def _moment(nanoseconds: int) -> str:
    return _time(nanoseconds).isoformat().replace("+00:00", "Z")
