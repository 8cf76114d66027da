"""`hybrid pair`: whether two models can share one trajectory."""

from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from hybrid_engines import models, pair
from hybrid_engines.pair import Mismatch
from hybrid_engines.parts import ModelError
from hybrid_serving.cli import output
from hybrid_serving.cli.failures import Failure, reported

EXAMPLES = """[bold]Examples[/]

hybrid pair check builtin://shapes/large builtin://shapes/small

hybrid pair check file:///models/large file:///models/small --json"""

application = typer.Typer(
    help="Pairs of networks.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

First = Annotated[str, typer.Argument(help="Address of the model that begins.", show_default=False)]
Second = Annotated[str, typer.Argument(help="Address of the model that goes on.", show_default=False)]


@application.callback()
def of_pairs() -> None:
    """Keep `check` a command of its own while it is the only one."""


@application.command("check", epilog=EXAMPLES)
def check(first: First, second: Second, *, as_json: output.Json = False) -> None:
    """Say whether two models fit together, with both values of everything that differs."""
    with reported(usage=(ModelError,)):
        large = models.open_model(first)
        small = models.open_model(second, first=large)
        found = pair.check(large, small)
    document = {"fits": not found, "mismatches": [_row(mismatch) for mismatch in found]}
    fits = Text(f"{large.name} and {small.name} fit together.")
    output.show(document, _table(found, names=(large.name, small.name)) if found else fits, as_json=as_json)
    if found:
        raise Failure(f"`{large.name}` and `{small.name}` do not fit together: {len(found)} properties differ.")


def _row(mismatch: Mismatch) -> dict[str, Any]:
    return {"property": mismatch.what, "first": mismatch.first, "second": mismatch.second}


def _table(mismatches: tuple[Mismatch, ...], *, names: tuple[str, str]) -> Table:
    table = Table("property", *names, box=SIMPLE_HEAD, pad_edge=False)
    for mismatch in mismatches:
        table.add_row(mismatch.what, str(mismatch.first), str(mismatch.second))
    return table
