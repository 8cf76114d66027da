"""Draws a measured curve as a picture: quality and cost against the split. The only module that imports matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hybrid_serving.cli.curve import Point

_QUALITY, _COST, _QUIET = "#1f6f8b", "#e07a3f", "#6b7280"


def draw(points: Sequence[Point], *, title: str, path: Path) -> None:
    """Write the plot to `path`; its suffix decides the format."""
    import matplotlib as mpl  # noqa: PLC0415  # half a second, and only this needs it

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415  # after the backend is chosen

    figure, quality = plt.subplots(figsize=(7.2, 4.2), dpi=150, layout="constrained")
    expense = quality.twinx()
    splits = [point.split for point in points]
    label, values = _quality(points)
    quality.plot(splits, values, color=_QUALITY, marker="o", linewidth=2)
    expense.plot(splits, [100 * point.saving for point in points], color=_COST, marker="s", linewidth=2, linestyle="--")
    _dress(quality, label=label, colour=_QUALITY)
    _dress(expense, label="cloud cost saved, %", colour=_COST)
    quality.set_xlabel("split k: steps on the large network", color=_QUIET)
    quality.set_title(title, loc="left", fontsize=11, color="#111827")
    quality.grid(visible=True, axis="y", color="#e5e7eb", linewidth=0.8)
    quality.set_xticks(splits)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)


def _quality(points: Sequence[Point]) -> tuple[str, list[float]]:
    """The pair's own accuracy where its card has it for every split; else the difference to the large network alone."""
    accuracy = [100 * point.stored["accuracy_all"] for point in points if point.stored]
    if len(accuracy) == len(points):
        return "captions fully right, %", accuracy
    return "latent distance to the large network alone", [point.latent_distance for point in points]


def _dress(axes: Any, *, label: str, colour: str) -> None:
    axes.set_ylabel(label, color=colour)
    axes.tick_params(axis="both", colors=_QUIET, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
