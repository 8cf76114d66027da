"""A pair of random U-Nets of 4.8 and 1.5 million parameters in diffusers layout; speed needs no training."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

SHAPES: dict[str, dict[str, Any]] = {
    "large": {"block_out_channels": (64, 96, 128), "sample_size": 32},
    "small": {"block_out_channels": (32, 64, 64), "sample_size": 16},
}
TEXT_WIDTH = 128


def write(root: Path) -> Path:
    """Make the pair in `root`, unless it lies there."""
    if (root / "pair.json").is_file():
        return root
    torch.manual_seed(0)
    for name, shape in SHAPES.items():
        _unet(shape).save_pretrained(root / name / "unet")
    text = CLIPTextConfig(
        vocab_size=1000,
        hidden_size=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    CLIPTextModel(text).save_pretrained(root / "large" / "text_encoder")
    AutoencoderKL(
        block_out_channels=(16, 16, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=8,
    ).save_pretrained(root / "large" / "vae")
    DDIMScheduler(beta_schedule="scaled_linear").save_pretrained(root / "large" / "scheduler")
    (root / "large" / "tokenizer").mkdir()
    (root / "large" / "tokenizer" / "tokenizer.json").write_text("{}")
    (root / "pair.json").write_text(json.dumps({"format": 1, "name": "random", "models": list(SHAPES)}))
    return root


def _unet(shape: dict[str, Any]) -> Any:
    levels = len(shape["block_out_channels"])
    return UNet2DConditionModel(
        **shape,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=8,
        down_block_types=(*("CrossAttnDownBlock2D",) * (levels - 1), "DownBlock2D"),
        up_block_types=("UpBlock2D", *("CrossAttnUpBlock2D",) * (levels - 1)),
    )
