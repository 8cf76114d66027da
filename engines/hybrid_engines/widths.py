"""U-Nets whose layers have inner widths and head counts of their own, which stock diffusers cannot express.

Hybrid SD's published 224M network (arXiv 2408.06646): BK-SDM-Tiny with pruned ResNets and attention heads. Its extra
configuration keys list one value a layer pair, in module order. It loads no weights.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from hybrid_engines.parts import ModelError

RESNETS, SELF_HEADS, CROSS_HEADS = "block_mid_channels", "block_selfattn_heads", "block_crossattn_heads"
KEYS = (RESNETS, SELF_HEADS, CROSS_HEADS)


def has_own_widths(config: Mapping[str, Any]) -> bool:
    """Whether a configuration lists widths or heads by layer."""
    return any(config.get(key) for key in KEYS)


def narrow(unet: nn.Module, config: Mapping[str, Any]) -> None:
    """Give every layer of a stock `unet` the width that `config` lists for it; its weights become meaningless."""
    pairs = list(_pairs(unet))
    for key in KEYS:
        if len(config.get(key) or ()) != len(pairs):
            found = len(config.get(key) or ())
            raise ModelError(f"`{key}` lists {found} values, the U-Net has {len(pairs)} layers; expected one each.")
    for (resnet, attention), width, own, cross in zip(pairs, *(config[key] for key in KEYS), strict=True):
        _narrow_resnet(resnet, width=width)
        for block in attention.transformer_blocks:
            _narrow_heads(block.attn1, heads=own)
            _narrow_heads(block.attn2, heads=cross)


def _pairs(unet: Any) -> Iterator[tuple[Any, Any]]:
    """Each ResNet with its transformer, in module order."""
    if unet.mid_block is not None:
        raise ModelError("Layers with widths of their own go with a U-Net without middle block; this one has one.")
    for block in (*unet.down_blocks, *unet.up_blocks):
        yield from zip(block.resnets, block.attentions, strict=True)


def _narrow_resnet(resnet: Any, *, width: int) -> None:
    groups = resnet.norm2.num_groups
    if width % groups:
        raise ModelError(f"An inner width of {width} is no multiple of the {groups} groups of its normalization.")
    first, second = resnet.conv1, resnet.conv2
    resnet.conv1 = nn.Conv2d(first.in_channels, width, kernel_size=3, padding=1)
    resnet.time_emb_proj = nn.Linear(resnet.time_emb_proj.in_features, width)
    resnet.norm2 = nn.GroupNorm(groups, width, eps=resnet.norm2.eps)
    resnet.conv2 = nn.Conv2d(width, second.out_channels, kernel_size=3, padding=1)


def _narrow_heads(attention: Any, *, heads: int) -> None:
    """Keep the width of a head; queries, keys and values shrink, the output keeps its width."""
    inner = attention.inner_dim // attention.heads * heads
    for name in ("to_q", "to_k", "to_v"):
        layer = getattr(attention, name)
        setattr(attention, name, nn.Linear(layer.in_features, inner, bias=layer.bias is not None))
    output = attention.to_out[0]
    attention.to_out[0] = nn.Linear(inner, output.out_features, bias=output.bias is not None)
    attention.heads, attention.inner_dim, attention.inner_kv_dim = heads, inner, inner
    if hasattr(attention, "sliceable_head_dim"):
        attention.sliceable_head_dim = heads


def build(architecture: Any, config: Mapping[str, Any]) -> nn.Module:
    """The network of `config` with random weights."""
    known = {key: value for key, value in config.items() if key not in KEYS and not key.startswith("_")}
    unet: nn.Module = architecture.from_config(known)
    if has_own_widths(config):
        narrow(unet, config)
    return unet


def load(unet: nn.Module, tensors: Mapping[str, torch.Tensor]) -> list[str]:
    """Put `tensors` into `unet`; returns the names of weights that they lack, and refuses other shapes."""
    try:
        found = unet.load_state_dict(dict(tensors), strict=False)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"The weights do not fit the widths that the configuration lists: {reason}") from error
    return sorted(found.missing_keys)
