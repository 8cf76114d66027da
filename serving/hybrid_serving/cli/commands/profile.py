"""`hybrid profile`: how good and how dear a pair is at every split, as table, CSV and plot."""

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from hybrid_api.scalars import parse_size
from hybrid_engines import models
from hybrid_engines.pair import require
from hybrid_engines.parts import ModelError
from hybrid_engines.spec import EngineError, EngineSpec
from hybrid_serving import sampler as samplers
from hybrid_serving.cli import chart, curve, output, warm
from hybrid_serving.cli.curve import Costs, Pair, Plan, Point
from hybrid_serving.cli.failures import Failure, UsageFailure, reported
from hybrid_serving.cli.reporter import Reporter

EXAMPLES = """[bold]Examples[/]

hybrid profile

hybrid profile --splits 0,5,10,15,20,25 --csv curve.csv --plot curve.png

hybrid profile --large file:///models/pair/large --small file:///models/pair/small --size 512x512"""

PROMPTS = (
    "a red circle above a blue square",
    "a green star",
    "a yellow triangle to the left of a purple ring",
    "an orange cross",
)

Large = Annotated[str, typer.Option(help="Address of the large model.")]
Small = Annotated[str, typer.Option(help="Address of the small model.")]
Splits = Annotated[
    str | None, typer.Option(help="Steps on the large network, with commas; absent, every fifth of them.")
]
Prompts = Annotated[list[str] | None, typer.Option("--prompt", help="A prompt to measure on; may be repeated.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of an engine.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="Write the table here too.")]
Plot = Annotated[Path | None, typer.Option("--plot", help="Draw the curve here (png, svg or pdf).")]


def profile(
    *,
    large: Large = "builtin://shapes/large",
    small: Small = "builtin://shapes/small",
    splits: Splits = None,
    prompt: Prompts = None,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 25,
    sampler: Annotated[str, typer.Option(help=f"One of {', '.join(samplers.SAMPLERS)}.")] = "dpmpp-2m",
    guidance: Annotated[float, typer.Option(min=1.0, help="Guidance scale; 1 is unguided.")] = 5.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every picture.")] = 0,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT in pixels.")] = "64x64",
    threads: Threads = 2,
    csv_path: Csv = None,
    plot_path: Plot = None,
    as_json: output.Json = False,
) -> None:
    """Measure quality and cost of a pair of networks against the split, in this process and without Ray."""
    with reported(usage=(ValueError,), prefix=f"`--size` is `{size}`; "):
        picture = parse_size(size)
    if sampler not in samplers.SAMPLERS:
        raise UsageFailure(f"`--sampler` is `{sampler}`; expected one of {', '.join(samplers.SAMPLERS)}.")
    plan = Plan(
        prompts=tuple(prompt or PROMPTS),
        splits=_splits(splits, steps=steps),
        steps=steps,
        sampler=sampler,
        guidance_scale=guidance,
        seed=seed,
        size=(picture.width, picture.height),
    )
    with reported(usage=(ModelError, samplers.SamplerError), failure=(EngineError,)):
        pair = _open(large, small, size=plan.size, threads=threads, reporter=Reporter(as_json=False))
        costs = curve.costs(pair, plan)
        points = _measure(pair, plan, costs=costs)
    _write(points, pair=pair, csv_path=csv_path, plot_path=plot_path)
    output.show(_document(points, plan=plan, costs=costs), _table(points, costs=costs), as_json=as_json)


def _splits(text: str | None, *, steps: int) -> tuple[int, ...]:
    if text is None:
        return tuple(sorted({round(steps * fifth / 5) for fifth in range(6)}))
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) <= steps for part in parts):
        raise UsageFailure(f"`--splits` is `{text}`; expected numbers from 0 to {steps} with commas between.")
    return tuple(sorted({int(part) for part in parts}))


def _open(large: str, small: str, *, size: models.Size, threads: int, reporter: Reporter) -> Pair:
    first = models.open_model(large)
    second = models.open_model(small, first=first)
    require(first, second)
    spec = EngineSpec(threads=threads)
    wanted = [
        warm.Wanted(first, "unet", spec, size),
        warm.Wanted(second, "unet", spec, size),
        warm.Wanted(first, "text_encoder", spec, size),
        warm.Wanted(first, "decoder", spec, size),
    ]
    warm.ensure(wanted, reporter=reporter)
    engines = [warm.load(engine) for engine in wanted]
    return Pair(first, *engines)


def _measure(pair: Pair, plan: Plan, *, costs: Costs) -> list[Point]:
    with output.progress() as progress:
        task = progress.add_task("Drawing", total=len(plan.prompts) * len(plan.splits))
        return curve.measure(pair, plan, measured=costs, progress=lambda: progress.advance(task))


def _write(points: Sequence[Point], *, pair: Pair, csv_path: Path | None, plot_path: Path | None) -> None:
    try:
        if csv_path is not None:
            csv_path.parent.mkdir(parents=True, exist_ok=True)
            with csv_path.open("w", newline="", encoding="utf-8") as file:
                rows = [_row(point) for point in points]
                writer = csv.DictWriter(file, fieldnames=list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        if plot_path is not None:
            chart.draw(points, title=f"{pair.model.name} split at k", path=plot_path)
    except (OSError, ValueError) as error:
        raise Failure(f"The curve cannot be written: {error}.") from error
    except ImportError as error:
        raise Failure("A plot needs matplotlib; install `hybrid-diffusion[engines]`, or use `--csv`.") from error


def _row(point: Point) -> dict[str, Any]:
    row = asdict(point)
    return row | (row.pop("stored") or {})


def _document(points: Sequence[Point], *, plan: Plan, costs: Costs) -> dict[str, Any]:
    return {
        "plan": asdict(plan),
        "milliseconds": asdict(costs),
        "points": [_row(point) for point in points],
    }


def _table(points: Sequence[Point], *, costs: Costs) -> Table:
    has_card = any(point.stored for point in points)
    table = Table(title="Quality and cost against the split k", box=SIMPLE_HEAD, pad_edge=False)
    table.title_justify = table.caption_justify = "left"
    table.caption = (
        f"Measured here, one picture alone: encode {costs.encode:.1f} ms, large step {costs.large_step:.1f} ms, "
        f"small step {costs.small_step:.1f} ms, decode {costs.decode:.1f} ms. "
        "Saved = 1 - (encode + k·large) / (encode + T·large + decode)."
    )
    for name in ("k", "noise", "cloud ms", "device ms", "saved", "PSNR dB", "latent distance"):
        table.add_column(name, justify="right")
    if has_card:
        table.add_column("captions right (card)", justify="right")
    for point in points:
        cells = [
            f"{point.split}",
            f"{point.noise_level:.3f}",
            f"{point.cloud_milliseconds:.1f}",
            f"{point.device_milliseconds:.1f}",
            f"{point.saving:.1%}",
            "equal" if point.psnr_decibels is None else f"{point.psnr_decibels:.1f}",
            f"{point.latent_distance:.4f}",
        ]
        card = [f"{point.stored['accuracy_all']:.1%}" if point.stored else ""] if has_card else []
        table.add_row(*cells, *card)
    return table
