"""From what `benchmarks.engines` measured to a page: tables, a plot, and how it was measured. It measures nothing."""

import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

BASELINE = "diffusers eager"
BEGIN, END = "<!-- engines: begin -->", "<!-- engines: end -->"

Result = Mapping[str, Any]


def write(results: Mapping[str, Result], *, folder: Path) -> None:
    """Put tables and plot between the marks in `benchmarks.md`, which keeps the rest of its text."""
    page = folder / "benchmarks.md"
    text = page.read_text() if page.is_file() else f"# Benchmarks\n\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    body = "\n".join(line for result in results.values() for line in _section(result))
    page.write_text(f"{before}{BEGIN}\n{body}\n{END}{after}")
    _draw(results, path=folder / "img" / "engines.png")


def _section(result: Result) -> Iterator[str]:
    batches = list(result["milliseconds"][BASELINE])
    machine = result["machine"]
    millions = result["parameters"] / 1e6
    yield f"### `{result['network']}`: {result['gflop_a_row']:.2f} GFLOP a row, {millions:.2f} M parameters"
    yield ""
    yield (
        f"Latent {'×'.join(map(str, result['latent']))}, {result['threads']} threads, {result['rounds']} rounds, "
        f"{machine['processor']} {machine['instruction_set']}, torch {machine['torch']}, {machine['time']}; "
        f"load average {result['load_average'][0]} before and {result['load_average'][1]} after."
    )
    yield ""
    yield "| variant | " + " | ".join(f"batch {batch}" for batch in batches) + " | largest difference from eager |"
    yield "|---|" + "---:|" * (len(batches) + 1)
    for name in result["milliseconds"]:
        cells = (_cell(result, name, batch) for batch in batches)
        yield f"| {name} | " + " | ".join(cells) + f" | {result['largest_difference'][name]:.1e} |"
    yield ""
    gains = ", ".join(f"{_gain(result, batch):.2f}x at {batch}" for batch in batches)
    yield f"OpenVINO f32 against the faster of both eager variants at the same batch: {gains}."
    yield ""


def _cell(result: Result, name: str, batch: str) -> str:
    """Milliseconds a sample, their spread, and how many times faster than plain eager at batch 1."""
    times = [time / int(batch) for time in result["milliseconds"][name][batch]]
    low, _, high = statistics.quantiles(times, n=4)
    return f"{statistics.median(times):.2f} ({low:.2f} to {high:.2f}), {ratio(result, name, batch):.2f}x"


def ratio(result: Result, name: str, batch: str) -> float:
    """How many times faster a sample is than with plain eager at batch 1: the median of each round's ratio."""
    eager = result["milliseconds"][BASELINE]["1"]
    pairs = zip(eager, result["milliseconds"][name][batch], strict=True)
    return statistics.median(alone * int(batch) / time for alone, time in pairs)


def _gain(result: Result, batch: str) -> float:
    times = result["milliseconds"]
    rounds = zip(*(times[name][batch] for name in (BASELINE, "diffusers channels-last", "OpenVINO f32")), strict=True)
    return statistics.median(min(eager, other) / ours for eager, other, ours in rounds)


def _draw(results: Mapping[str, Result], *, path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415  (slow to import, and of use here only)

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(1, len(results), figsize=(4.2 * len(results) + 1.8, 3.6), squeeze=False)
    for axis, result in zip(axes[0], results.values(), strict=True):
        batches = list(result["milliseconds"][BASELINE])
        for name in result["milliseconds"]:
            heights = [ratio(result, name, batch) for batch in batches]
            axis.plot([int(batch) for batch in batches], heights, marker="o", label=name)
        axis.set_title(f"{result['network']}, {result['gflop_a_row']:.2f} GFLOP a row", fontsize=9)
        axis.set_xscale("log", base=2)
        axis.set_xticks([int(batch) for batch in batches], batches)
        axis.set_xlabel("batch")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("speed, eager at batch 1 = 1")
    axes[0][-1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1.02, 0.5))
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
