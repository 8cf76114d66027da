"""Which ledger a command reads: the one whose address is given, else that of `hybrid serve` on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from hybrid_serving.cli.state import StateFolder, serve_folder
from hybrid_serving.ledger import store

Address = Annotated[str | None, typer.Option("--ledger", help="Address of a cluster's ledger.", envvar="HYBRID_LEDGER")]
State = Annotated[Path | None, typer.Option(help="Folder that `hybrid serve` keeps its state in.")]


def address(given: str | None, *, state: Path | None) -> str:
    """For `store.connect`."""
    return given or f"{store.SQLITE}{StateFolder(serve_folder(state)).ledger}"
