"""A U-Net of published size, compiled to a TensorRT plan on whatever machine this is."""

import json
import time
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from hybrid_engines import build, models
from hybrid_engines.models import Model
from hybrid_engines.spec import EngineSpec

pytest.importorskip("tensorrt_rtx")

PARAMETERS = 323_384_964
"""Of BK-SDM-Tiny."""
DOWN, UP = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"


@pytest.fixture
def bk_tiny(tmp_path: Path) -> Model:
    """Random weights in the shape of BK-SDM-Tiny, with the least that makes a pipeline of it."""
    folder = tmp_path / "bk-tiny"
    unet = UNet2DConditionModel(
        sample_size=64,
        block_out_channels=(320, 640, 1280),
        layers_per_block=1,
        cross_attention_dim=768,
        attention_head_dim=8,
        down_block_types=(DOWN,) * 3,
        mid_block_type=None,
        up_block_types=(UP,) * 3,
    )
    unet.to(torch.float16).save_pretrained(folder / "unet")
    text = CLIPTextConfig(vocab_size=64, hidden_size=768, num_hidden_layers=1, bos_token_id=1, eos_token_id=2)
    CLIPTextModel(text).save_pretrained(folder / "text_encoder")
    AutoencoderKL(
        block_out_channels=(8,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
    ).save_pretrained(folder / "vae")
    DDIMScheduler().save_pretrained(folder / "scheduler")
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "tokenizer.json").write_text("{}")
    return models.open_model(folder.as_uri())


@pytest.mark.plans
@pytest.mark.timeout(900)
def test_a_network_of_published_size_becomes_a_plan_and_the_second_call_a_hit(bk_tiny: Model, tmp_path: Path) -> None:
    spec, cache = EngineSpec(backend="tensorrt"), tmp_path / "engines"
    entry = build.prepare(bk_tiny, "unet", spec=spec, size=(512, 512), cache=cache).entry
    assert entry.facts.parameters == PARAMETERS
    assert (entry.folder / "network.plan").stat().st_size > 500e6
    record = json.loads((entry.folder / "profiles.json").read_text())
    assert [profile["sample"] for profile in record["profiles"]] == [[rows, 4, 64, 64] for rows in (1, 2, 4, 8, 16)]
    begin = time.perf_counter()
    again = build.prepare(
        bk_tiny, "unet", spec=spec, size=(512, 512), cache=cache, progress=lambda stage: pytest.fail(f"was {stage}")
    )
    print(f"a hit took {time.perf_counter() - begin:.3f} s")
    assert again.entry == entry
    for path in sorted(tmp_path.rglob("*"), reverse=True):  # pytest keeps folders, and these are gigabytes
        if path.is_file():
            path.unlink()
