"""How commands print: results on stdout, everything else on stderr, JSON where it is asked for.

Only prints; it computes nothing.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
"""The option that every command has."""


def results() -> Console:
    """Where a command's result goes."""
    return Console(highlight=False)


def notes() -> Console:
    """Where everything goes that is not the result, so that a result can be piped."""
    return Console(stderr=True, highlight=False)


def show(document: Mapping[str, Any], view: RenderableType, *, as_json: bool) -> None:
    """Print a result: its JSON document, or its view for people."""
    if as_json:
        results().print_json(data=document)
    else:
        # Text is left to the terminal to wrap, so that what is copied or piped has no line ends of ours in it.
        results().print(view, soft_wrap=isinstance(view, Text))


def line(document: Mapping[str, Any]) -> None:
    """Print one event of a stream as one line of JSON."""
    typer.echo(json.dumps(document, separators=(",", ":"), default=str))


def progress() -> Progress:
    """A progress display on stderr that leaves nothing behind, and shows nothing where nobody looks."""
    console = notes()
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
