"""`hybrid version`: which versions are at work here, for bug reports."""

import platform
from importlib import metadata

from rich.table import Table

from hybrid_serving.cli import output

EXAMPLES = """[bold]Examples[/]

hybrid version

hybrid version --json"""

_DISTRIBUTIONS = ("hybrid-diffusion", "ray", "openvino", "torch", "diffusers", "numpy")


def version(*, as_json: output.Json = False) -> None:
    """Show the versions of this program and of what it stands on."""
    versions = {name: _installed(name) for name in _DISTRIBUTIONS}
    versions["python"] = platform.python_version()
    table = Table.grid(padding=(0, 2))
    for name, found in versions.items():
        table.add_row(name, found or "[dim]not installed[/]")
    output.show(versions, table, as_json=as_json)


def _installed(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
