"""Counts against published figures (Hybrid SD, arXiv 2408.06646), on shapes without memory."""

import pytest


@pytest.fixture(scope="module")
def stable_diffusion():
    """SD-1.4's U-Net on the meta device."""
    import torch
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        return UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)


def test_stable_diffusions_figures_are_exact(stable_diffusion):
    import torch

    from hybrid_engines import macs
    from hybrid_engines.networks import UNet

    inputs = (torch.zeros(1, 4, 64, 64), torch.zeros(1), torch.zeros(1, 77, 768))
    counts = macs.count(UNet(stable_diffusion), tuple(tensor.to("meta") for tensor in inputs))
    assert counts.parameters == 859_520_964
    assert round(counts.macs / 1e9, 3) == 338.611
    assert round(counts.macs_with_attention / 1e9, 3) == 401.637
