"""The curve of quality against the split, as a picture for the model card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

_ACCURACIES = {"one": "one object", "two": "two objects"}


def save(measured: Mapping[str, Any], path: Path) -> None:
    """Accuracy on the left axis, Fréchet distance on the right."""
    rows = measured["rows"]
    splits = [row["k"] for row in rows]
    with mpl.rc_context({"font.size": 9, "svg.hashsalt": "shapes"}):
        figure = Figure(figsize=(6, 3.2), layout="constrained")
        left = figure.add_subplot()
        for name, label in _ACCURACIES.items():
            left.plot(splits, [100 * row["accuracy"][name] for row in rows], marker="o", label=label)
        left.set(
            xlabel="k: steps of 25 by the large network", ylabel="drawn fully right, %", ylim=(0, 102), xticks=splits
        )
        left.grid(alpha=0.3)
        right = left.twinx()
        right.plot(
            splits, [row["frechet"] for row in rows], color="gray", linestyle="--", marker="s", label="Fréchet distance"
        )
        right.set(ylabel="Fréchet distance")
        right.set_ylim(bottom=0)
        lines = [*left.get_lines(), *right.get_lines()]
        left.legend(lines, [str(line.get_label()) for line in lines], loc="lower right")
        figure.savefig(path, dpi=140)
