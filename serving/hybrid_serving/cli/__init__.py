"""The `hybrid` command line: serve, generate, edge, profile, crd, version.

Starts processes, talks HTTP and prints; every decision lives below. Heavy libraries are imported by the command that
needs them, never by this package.
"""

from hybrid_serving.cli.entry import main

__all__ = ["main"]
