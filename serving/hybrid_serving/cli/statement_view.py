"""A statement of costs as a table for people and as a document for programs. Shapes only."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group as Lines
from rich.table import Table
from rich.text import Text

from hybrid_serving.ledger.entries import Kind
from hybrid_serving.ledger.statement import Dimension, Group, Statement, printed

_DECIMALS = 12
"""Of amounts in documents, as clients are told them."""
_EXPLAINED = {
    Kind.IDLE: "workers waited for work",
    Kind.HOST: "between engine calls: choosing, sampling, answering",
    Kind.PADDING: "rows that only filled a batch",
    Kind.STARTUP: "processes started and engines loaded",
}
_WIDEST, _NARROWEST = 9, 2


def view(statement: Statement, *, by: Sequence[Dimension], window: str) -> Lines:
    """For people: who used it, what makes up the bill, and what the edge saved."""
    parts = _parts(statement)
    decimals = _decimals(statement.total)
    texts = dict(zip(parts, printed(list(parts.values()), decimals=decimals), strict=True))
    return Lines(
        _groups(statement, by=by, decimals=decimals, window=window),
        _bill(statement, texts=texts),
        Text(_savings(statement)),
    )


def document(statement: Statement, *, by: Sequence[Dimension]) -> dict[str, Any]:
    """For programs: amounts as decimal strings."""
    return {
        "currency": statement.currency or None,
        "total": _exact(statement.total),
        "used": _exact(statement.used),
        "overhead": {kind.value: _exact(amount) for kind, amount in statement.overhead.items()},
        "billed": None if statement.billed is None else _exact(statement.billed),
        "unattributed": None if statement.unattributed is None else _exact(statement.unattributed),
        "egress": _exact(statement.egress),
        "all_cloud": _exact(statement.all_cloud),
        "compared": _exact(statement.compared),
        "saving": None if statement.saving is None else f"{float(statement.saving):.4f}",
        "groups": [{**dict(zip(by, key, strict=True)), **_group(group)} for key, group in statement.groups.items()],
    }


def _groups(statement: Statement, *, by: Sequence[Dimension], decimals: int, window: str) -> Table:
    currency = statement.currency or "no prices"
    table = Table(title=f"Used in the last {window}, {currency}", box=SIMPLE_HEAD, show_footer=True, pad_edge=False)
    table.title_justify = "left"
    for index, name in enumerate(by):
        table.add_column(name, footer="[bold]all[/]" if index == 0 else "", no_wrap=True)
    groups = list(statement.groups.values())
    amounts = printed([group.amount for group in groups], decimals=decimals) if groups else []
    total = statement.count
    columns = (
        ("images", [str(group.images or "") for group in groups], str(total.images)),
        ("rows", [str(group.steps or "") for group in groups], str(total.steps)),
        ("cloud s", [_seconds(group.engine_nanoseconds) for group in groups], _seconds(total.engine_nanoseconds)),
        ("in vain", [_seconds(group.vain_nanoseconds) for group in groups], _seconds(total.vain_nanoseconds)),
        ("edge s", [_seconds(group.edge_nanoseconds) for group in groups], _seconds(total.edge_nanoseconds)),
        ("MB", [_megabytes(group) for group in groups], _megabytes(total)),
        ("cost", amounts, printed([statement.used], decimals=decimals)[0]),
    )
    shown = [column for column in columns if any(column[1]) or column[0] == "cost"]
    for title, _, footer in shown:
        table.add_column(title, justify="right", footer=f"[bold]{footer}[/]", no_wrap=True)
    for index, key in enumerate(statement.groups):
        table.add_row(*key, *(values[index] for _, values, _ in shown))
    return table


def _bill(statement: Statement, *, texts: dict[str, str]) -> Table:
    table = Table(title="The bill", box=None, show_header=False, pad_edge=False)
    table.title_justify = "left"
    total = statement.total
    for name, amount in _parts(statement).items():
        share = f"{float(amount / total):.1%}" if total else ""
        table.add_row(name, texts[name], share, f"[dim]{_explained(name)}[/]")
    table.add_row("[bold]all[/]", f"[bold]{printed([total], decimals=_decimals(total))[0]}[/]")
    if statement.billed is None:
        table.add_row("[dim]no bill was measured, so nothing can be called unattributed[/]")
    return table


def _parts(statement: Statement) -> dict[str, Fraction]:
    """What adds up to the total, the largest overhead first."""
    overhead = sorted(statement.overhead.items(), key=lambda item: -item[1])
    parts = {"used": statement.used, **{kind.value: amount for kind, amount in overhead}}
    return {**parts, "unattributed": statement.unattributed} if statement.unattributed is not None else parts


def _explained(name: str) -> str:
    if name in ("used", "unattributed"):
        return {
            "used": "somebody's pictures",
            "unattributed": "on the bill, and on nobody's stopwatch; below 0 the bill is behind",
        }[name]
    return _EXPLAINED[Kind(name)]


def _savings(statement: Statement) -> str:
    if statement.saving is None:
        return "Nothing was compared with all steps on the first segment."
    one, other = printed([statement.compared, statement.all_cloud], decimals=_decimals(statement.all_cloud))
    return (
        f"The split saved {float(statement.saving):.1%}: finished pictures cost {one}, and with every step on the "
        f"first segment would have cost {other} {statement.currency}."
    )


def _decimals(amount: Fraction) -> int:
    """Enough for three digits that say something."""
    decimals = _NARROWEST
    while decimals < _WIDEST and 0 < amount * 10**decimals < 1000:
        decimals += 1
    return decimals


def _group(group: Group) -> dict[str, Any]:
    return {
        "cost": _exact(group.amount),
        "images": group.images,
        "step_rows": group.steps,
        "engine_seconds": group.engine_nanoseconds / 1e9,
        "vain_seconds": group.vain_nanoseconds / 1e9,
        "device_seconds": group.edge_nanoseconds / 1e9,
        "egress_bytes": group.egress_bytes,
    }


def _exact(amount: Fraction) -> str:
    units = round(amount * 10**_DECIMALS)
    sign = "-" if units < 0 else ""
    return f"{sign}{abs(units) // 10**_DECIMALS}.{abs(units) % 10**_DECIMALS:0{_DECIMALS}d}"


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:.2f}" if nanoseconds else ""


def _megabytes(group: Group) -> str:
    return f"{group.egress_bytes / 1e6:.2f}" if group.egress_bytes else ""
