"""Builds engines: `python -m hybrid_engines build builtin://shapes/large`. It decides nothing itself."""

import argparse
import sys
from pathlib import Path
from typing import get_args

from hybrid_engines import build, models
from hybrid_engines.parts import ModelError
from hybrid_engines.spec import BackendName, EngineError, EngineSpec, Precision, Stage


def main(arguments: list[str] | None = None) -> int:
    """Build what is missing; exit code 1 and one sentence where that fails."""
    parsed = _parser().parse_args(arguments)
    try:
        first = models.open_model(parsed.first) if parsed.first else None
        model = models.open_model(parsed.uri, first=first)
        spec = EngineSpec(
            backend=parsed.backend,
            precision=parsed.precision,
            batch_sizes=tuple(map(int, parsed.batch_sizes.split(","))),
            threads=parsed.threads,
        )
        width, _, height = parsed.size.partition("x")
        for component in parsed.component or get_args(models.Component):
            _report(f"{component} of {model.name}")
            build.ensure(
                model, component, spec=spec, size=(int(width), int(height)), cache=parsed.cache, progress=_show
            )
    except (EngineError, ModelError, ValueError) as error:
        _report(str(error))
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hybrid_engines", description="Compile the networks of a model.")
    command = parser.add_subparsers(required=True).add_parser("build", help="build the engines that are missing")
    command.add_argument("uri", help="such as builtin://shapes/large or file:///a/diffusers/folder")
    command.add_argument("--first", help="the model that supplies text encoder and decoder where the folder lacks them")
    command.add_argument("--component", action="append", choices=get_args(models.Component), help="default: all")
    command.add_argument("--size", default="64x64", help="width x height in pixels")
    command.add_argument("--backend", default="auto", choices=get_args(BackendName))
    command.add_argument("--precision", default="auto", choices=get_args(Precision))
    command.add_argument("--threads", type=int, default=1)
    command.add_argument("--batch-sizes", default="1,2,4,8,16")
    command.add_argument("--cache", type=Path, help="default: $HYBRID_ENGINE_CACHE or the user's cache folder")
    return parser


def _show(stage: Stage) -> None:
    _report(f"  {stage}")


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
