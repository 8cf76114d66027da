"""Writes the pair as the folder that ships: diffusers layout, fp16 weights, `pair.json`. Never trains or measures."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel

from hybrid_engines.train import networks

BUILTIN = Path(__file__).resolve().parent.parent / "builtin" / "shapes"


@dataclass(frozen=True, slots=True)
class Preview:
    """The linear map from a latent pixel to RGB (0 to 1): `matrix @ latent + bias`."""

    matrix: list[list[float]]
    bias: list[float]


@dataclass(frozen=True, slots=True)
class Pair:
    """What ships."""

    text_encoder: CLIPTextModel
    autoencoder: AutoencoderKL
    large: UNet2DConditionModel
    small: UNet2DConditionModel


def fit_preview(latents: torch.Tensor, pixels: torch.Tensor) -> Preview:
    """Least squares from latents `[n, C, h, w]` as the sampler sees them to pixels (0 to 1) averaged to their grid."""
    factor = pixels.shape[-1] // latents.shape[-1]
    target = torch.nn.functional.avg_pool2d(pixels.float(), factor).permute(0, 2, 3, 1).reshape(-1, 3)
    rows = latents.float().permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    design = torch.cat([rows, torch.ones(len(rows), 1)], dim=1)
    solution = torch.linalg.lstsq(design, target).solution
    digits = [[round(float(v), 5) for v in row] for row in solution.T]
    return Preview(matrix=[row[:-1] for row in digits], bias=[row[-1] for row in digits])


def _normalize(folder: Path) -> None:
    """Configurations that say neither where nor in which precision the files were made, and files that all may read.

    transformers would otherwise load the text encoder in fp16 beside a U-Net that diffusers loads in fp32, and the
    pipeline fails.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
        if path.name != "config.json":
            continue
        config = json.loads(path.read_text())
        config.pop("_name_or_path", None)
        if "dtype" in config:
            config["dtype"] = "float32"
        path.write_text(json.dumps(config, indent=2) + "\n")


def _write(folder: Path, *, pair: Pair, preview: Preview, quality: Mapping[str, object] | None) -> None:
    pipeline = StableDiffusionPipeline(
        vae=pair.autoencoder.half(),
        text_encoder=pair.text_encoder.half(),
        tokenizer=networks.tokenizer(),
        unet=pair.large.half(),
        scheduler=networks.sampler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder / "large")
    pair.small.half().save_pretrained(folder / "small" / "unet")
    _normalize(folder)
    document: dict[str, object] = {
        "format": 1,
        "name": "shapes",
        "models": ["large", "small"],
        "preview": {"matrix": preview.matrix, "bias": preview.bias},
    }
    if quality is not None:
        document["quality"] = quality
    (folder / "pair.json").write_text(json.dumps(document, indent=2) + "\n")


def publish(pair: Pair, *, preview: Preview, quality: Mapping[str, object] | None, target: Path = BUILTIN) -> int:
    """Replace `target` in one rename, so that a reader never sees half a pair; returns its size in bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".publish-") as scratch:
        made = Path(scratch) / "new"
        made.mkdir()
        _write(made, pair=pair, preview=preview, quality=quality)
        if target.exists():
            target.rename(Path(scratch) / "old")
        made.rename(target)
        shutil.rmtree(Path(scratch) / "old", ignore_errors=True)
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
