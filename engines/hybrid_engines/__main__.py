"""Builds engines: `python -m hybrid_engines build builtin://shapes/large`. It decides nothing itself.

Made for people and for Kubernetes Jobs alike: stages go to standard error, what came of it into the file of `--report`.
"""

import argparse
import os
import sys
import traceback
from pathlib import Path
from typing import get_args

from hybrid_engines import build, models
from hybrid_engines.backends import selection
from hybrid_engines.cache import CacheUnusable
from hybrid_engines.parts import ModelError
from hybrid_engines.spec import BackendName, EngineError, EngineSpec, Graph, Precision, Stage

REFUSED = 1
TRY_AGAIN = os.EX_TEMPFAIL
"""What a file system refuses may pass; a Job gives up at once on 1, and on 2, which is `argparse`'s."""
_DEFAULT_SIZE = (64, 64)


def main(arguments: list[str] | None = None) -> int:
    """Build what is missing; one sentence where that fails, and an exit code that says whether to try again."""
    parsed = _parser().parse_args(arguments)
    try:
        done = _build(parsed)
    except Exception as error:  # noqa: BLE001  (the outermost border: whoever waits for a Job reads the report only)
        sentence, code = _judge(error)
        _say(sentence)
        _report(parsed.report, sentence)
        return code
    _report(parsed.report, "\n".join(done))
    return 0


def _build(parsed: argparse.Namespace) -> list[str]:
    """Have every engine that was asked for; a line for each."""
    first = models.open_model(parsed.first) if parsed.first else None
    model = models.open_model(parsed.uri, first=first)
    spec = EngineSpec(
        backend=parsed.backend,
        precision=parsed.precision,
        batch_sizes=parsed.batch_sizes,
        threads=parsed.threads,
        graph=parsed.graph,
    )
    _say(selection.choose(spec).reason)
    return [
        _ensure(model, component, spec=spec, size=size, cache=parsed.cache)
        for size in parsed.size or [_DEFAULT_SIZE]
        for component in parsed.component or get_args(models.Component)
    ]


def _judge(error: Exception) -> tuple[str, int]:
    """One sentence about what went wrong, and the exit code for it."""
    if isinstance(error, CacheUnusable):
        return str(error), TRY_AGAIN
    if isinstance(error, EngineError | ModelError):
        return str(error), REFUSED
    traceback.print_exception(error)
    said = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, OSError):
        return f"The build could not read or write a file: {said}.", TRY_AGAIN
    return f"The build ended with an error that nobody foresaw: {type(error).__name__}: {said}.", REFUSED


def _ensure(
    model: models.Model, component: models.Component, *, spec: EngineSpec, size: models.Size, cache: Path | None
) -> str:
    """Have one engine; a line that says which one, and whether it was there."""
    _say(f"{component} of {model.name}")
    stages: list[Stage] = []

    def show(stage: Stage) -> None:
        stages.append(stage)
        _say(f"  {stage}")

    prepared = build.prepare(model, component, spec=spec, size=size, cache=cache, progress=show)
    how = "built" if set(stages) - {Stage.WAIT} else "found"
    what = f"{prepared.plan.backend_version}, {prepared.plan.precision}"
    trust = f"domain {prepared.domain.digest()}" if prepared.domain else "unverified, as no device here can run it"
    return f"{component} {size[0]}x{size[1]}: {how}, {what}, {trust}"


def _size(text: str) -> models.Size:
    width, _, height = text.partition("x")
    try:
        return int(width), int(height)
    except ValueError:
        raise argparse.ArgumentTypeError(f"`{text}` is no size; expected width x height such as 64x64.") from None


def _batch_sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(map(int, text.split(",")))
    except ValueError:
        sentence = f"`{text}` is no list of batch sizes; expected numbers with commas between, such as 1,2,4."
        raise argparse.ArgumentTypeError(sentence) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hybrid_engines", description="Compile the networks of a model.")
    command = parser.add_subparsers(required=True).add_parser("build", help="build the engines that are missing")
    command.add_argument("uri", help="such as builtin://shapes/large or file:///a/diffusers/folder")
    command.add_argument("--first", help="the model that supplies text encoder and decoder where the folder lacks them")
    command.add_argument("--component", action="append", choices=get_args(models.Component), help="default: all")
    command.add_argument("--size", type=_size, action="append", help="width x height in pixels, 64x64 by default")
    command.add_argument("--backend", default="auto", choices=get_args(BackendName))
    command.add_argument("--precision", default="auto", choices=get_args(Precision))
    command.add_argument("--graph", default="auto", choices=get_args(Graph))
    command.add_argument("--threads", type=int, default=1)
    command.add_argument("--batch-sizes", type=_batch_sizes, default="1,2,4,8,16")
    command.add_argument("--cache", type=Path, help="default: $HYBRID_ENGINE_CACHE or the user's cache folder")
    command.add_argument("--report", type=Path, help="file for what came of it, such as a pod's termination message")
    return parser


def _report(path: Path | None, text: str) -> None:
    if path is not None:
        path.write_text(text)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
