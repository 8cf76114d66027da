"""A network with its normalizations folded is the same function, and has fewer weights to apply."""

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import nn

from hybrid_engines import folding


def a_unet(**settings) -> UNet2DConditionModel:
    """Random, its normalizations too: fresh ones scale by one and shift by nothing."""
    torch.manual_seed(3)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=6,
        attention_head_dim=2,
        norm_num_groups=4,
        **settings,
    ).eval()
    for module in unet.modules():
        if isinstance(module, nn.LayerNorm | nn.GroupNorm):
            nn.init.normal_(module.weight, mean=1.0, std=0.5)
            nn.init.normal_(module.bias)
    return unet


def answer(unet: nn.Module) -> torch.Tensor:
    torch.manual_seed(5)
    with torch.no_grad():
        return unet(torch.randn(3, 4, 8, 8), torch.tensor([1.0, 500.0, 999.0]), torch.randn(3, 5, 6)).sample


@pytest.mark.parametrize("linear", [False, True], ids=["convolution", "linear"])
def test_the_function_stays_the_same(linear) -> None:
    unet = a_unet(use_linear_projection=linear)
    expected = answer(unet)
    folding.fold(unet)
    assert torch.allclose(answer(unet), expected, atol=1e-5)


def test_every_normalization_of_transformers_is_folded_and_no_other() -> None:
    unet = a_unet()
    folding.fold(unet)
    folded = {name for name, module in unet.named_modules() if hasattr(module, "bias") and module.bias is None}
    layers = [name for name, module in unet.named_modules() if isinstance(module, nn.LayerNorm)]
    assert layers
    assert set(layers) <= folded
    groups = {name for name, module in unet.named_modules() if isinstance(module, nn.GroupNorm)}
    assert {name for name in groups if "attentions" in name} == groups & folded


def test_keys_and_values_from_another_sequence_are_left_alone() -> None:
    unet = a_unet(only_cross_attention=True)
    expected = answer(unet)
    folding.fold(unet)
    assert torch.allclose(answer(unet), expected, atol=1e-5)
