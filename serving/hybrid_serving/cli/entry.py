"""The program `hybrid`: its commands, and the one place where an error becomes a sentence and an exit code.

Knows no command's work; each lives in its own module and imports what it needs when it runs.
"""

import os
import sys
import traceback

import typer
from typer.exceptions import TyperException

from hybrid_serving.cli.commands import cost, crd, dashboard, edge, engine, generate, pair, profile, serve, version
from hybrid_serving.cli.failures import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_USAGE, CommandError, one_sentence
from hybrid_serving.cli.output import notes

TRACEBACK_VARIABLE = "HYBRID_TRACEBACK"

application = typer.Typer(
    name="hybrid",
    help="Text-to-image diffusion split between a large U-Net in the cloud and a small one at the edge.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
application.command("serve", epilog=serve.EXAMPLES)(serve.serve)
application.command("generate", epilog=generate.EXAMPLES)(generate.generate)
application.add_typer(edge.application, name="edge")
application.command("cost", epilog=cost.EXAMPLES)(cost.cost)
application.command("dashboard", epilog=dashboard.EXAMPLES)(dashboard.dashboard)
application.command("profile", epilog=profile.EXAMPLES)(profile.profile)
application.add_typer(engine.application, name="engine")
application.add_typer(pair.application, name="pair")
application.command("crd", epilog=crd.EXAMPLES)(crd.crd)
application.command("version", epilog=version.EXAMPLES)(version.version)


def main() -> None:
    """Run the program with this process's arguments, and leave."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; the answer is the exit code."""
    try:
        return typer.main.get_command(application).main(arguments, prog_name="hybrid", standalone_mode=False) or 0
    except CommandError as error:
        return _failed(error, error.exit_code, one_sentence(error))
    except TyperException as error:
        found = error.format_message().rstrip()
        stop = "" if found.endswith((".", "?", "!")) else "."
        return _failed(error, EXIT_USAGE, f"{found}{stop} `hybrid --help` shows what there is.")
    except (typer.Abort, KeyboardInterrupt) as error:
        return _failed(error, EXIT_INTERRUPTED, "Interrupted.")
    except Exception as error:  # noqa: BLE001  # the outermost border of the process
        return _failed(error, EXIT_FAILURE, f"Unexpected {type(error).__name__}: {one_sentence(error)}")


def _failed(error: BaseException, code: int, sentence: str) -> int:
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error)
    notes().print(f"hybrid: {sentence}", style="red", markup=False, soft_wrap=True)
    return code
