"""The pair's quality against the split, on the held-out prompts: the curve that planners read and the card prints."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hybrid_engines.train import evaluate, renderer, scenes

SPLITS = (0, 5, 10, 15, 20, 25)
SHEET_COLUMNS = 12
SHEET_SPLITS = (25, 10, 0)


def reference_features(prompts: Sequence[scenes.Prompt], *, studio: evaluate.Studio, seed: int = 21) -> Tensor:
    """The judge's features of renders of the same scenes."""
    pixels = torch.from_numpy(renderer.render(evaluate.wanted(prompts), rng=np.random.default_rng(seed)))
    with torch.inference_mode():
        return studio.judge.features(pixels)


def curve(
    pictures: dict[int, Tensor], prompts: Sequence[scenes.Prompt], *, studio: evaluate.Studio
) -> list[dict[str, object]]:
    """One row a split. `level` is the training timestep that the small network sees first, 0 where it sees none."""
    reference = reference_features(prompts, studio=studio)
    levels = [*evaluate.levels(evaluate.STEPS), 0]
    rows: list[dict[str, object]] = []
    for k, pixels in sorted(pictures.items()):
        found = evaluate.score(pixels, prompts, judge=studio.judge, reference=reference)
        rows.append(
            {
                "k": k,
                "level": float(levels[k]),
                "accuracy": {name: round(getattr(found, name), 4) for name in ("one", "two", "all")},
                "frechet": round(found.frechet, 4),
                "slots": {"one": asdict(found.one_slots), "two": asdict(found.two_slots)},
            }
        )
    return rows


def document(measured: Mapping[str, Any]) -> dict[str, object]:
    """What `pair.json` says of quality, from the figures of the stage that measured it."""
    shown = [{name: row[name] for name in ("k", "level", "accuracy", "frechet")} for row in measured["rows"]]
    return {
        "sampler": "dpmpp-2m",
        "steps": evaluate.STEPS,
        "guidance_scale": f"{evaluate.GUIDANCE:.1f}",
        "prompts": measured["prompts"],
        "curve": shown,
    }


def sheet(pictures: Mapping[int, Tensor], prompts: Sequence[scenes.Prompt]) -> Image.Image:
    """The first prompts of both kinds, chosen before a picture was drawn: rows k = T, 10 and 0."""
    singles = [i for i, p in enumerate(prompts) if p.scene.layout == "single"][: SHEET_COLUMNS // 3]
    twos = [i for i, p in enumerate(prompts) if p.scene.layout != "single"][: SHEET_COLUMNS - len(singles)]
    return evaluate.contact_sheet([pictures[k][singles + twos] for k in SHEET_SPLITS])


def table(measured: Mapping[str, Any]) -> str:
    """The curve in Markdown, in percent."""
    lines = [
        "| k | handoff at level | one object | two objects | all | Fréchet distance |",
        "|---|---|---|---|---|---|",
    ]
    for row in measured["rows"]:
        shares = " | ".join(f"{100 * row['accuracy'][name]:.1f}" for name in ("one", "two", "all"))
        level = f"{row['level']:.0f}" if row["k"] < evaluate.STEPS else "none"
        lines.append(f"| {row['k']} | {level} | {shares} | {row['frechet']:.2f} |")
    return "\n".join(lines) + "\n"
