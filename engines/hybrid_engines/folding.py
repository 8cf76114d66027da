"""Folds what a normalization multiplies and adds at its end into the linear layers behind it. For building only.

The network stays the same function with fewer passes over memory; compilers do not see it, because the normalization's
result fans out. It must not touch a normalization whose result anything else reads.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn


def fold(network: nn.Module) -> None:
    """Fold every transformer's normalizations, in place; weights are computed in float64 and rounded once."""
    with torch.no_grad():
        for module in network.modules():
            for norm, layers in _followers(module):
                _fold(norm, layers)


def _followers(module: Any) -> Iterator[tuple[Any, Iterable[Any]]]:
    """Normalizations of one block, each with all the layers that read it."""
    if isinstance(module, Transformer2DModel):
        yield module.norm, (module.proj_in,)
    elif isinstance(module, BasicTransformerBlock) and _is_plain(module):
        yield module.norm1, (module.attn1.to_q, module.attn1.to_k, module.attn1.to_v)
        if module.attn2 is not None:
            yield module.norm2, (module.attn2.to_q,)
        yield module.norm3, (module.ff.net[0].proj,)


def _is_plain(block: Any) -> bool:
    """Whether nothing stands between a normalization and its linear layers, as in Stable Diffusion."""
    plain = block.norm_type == "layer_norm" and block.pos_embed is None
    return plain and not (block.only_cross_attention or block.double_self_attention)


def _fold(norm: Any, layers: Iterable[Any]) -> None:
    scale, shift = norm.weight.double(), norm.bias.double()
    for layer in layers:
        weight = layer.weight.double().flatten(1)  # a 1x1 convolution is a linear layer over channels
        bias = weight @ shift if layer.bias is None else layer.bias.double() + weight @ shift
        layer.weight = _parameter((weight * scale).view_as(layer.weight))
        layer.bias = _parameter(bias)
    norm.weight = norm.bias = None


def _parameter(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.float(), requires_grad=False)
