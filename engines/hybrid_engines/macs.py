"""Counts the work of a torch module for one row. For building only; it must not be used to choose anything at run time.

Convention of Hybrid SD (arXiv 2408.06646): multiply-accumulates of convolutions and linear layers; attention's two
products are counted apart, because leaving them out flatters small networks.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True, slots=True)
class Counts:
    """Work and size of one network."""

    macs: int
    macs_with_attention: int
    parameters: int


def count(module: nn.Module, inputs: tuple[Tensor, ...]) -> Counts:
    """Counts for `inputs`, which are one row."""
    total = 0

    def add(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            total += output.numel() * layer.weight[0].numel()
        elif isinstance(layer, nn.Linear):
            total += output.numel() * layer.in_features

    hooks = [layer.register_forward_hook(add) for layer in module.modules()]
    try:
        # The fused attention of CPUs is unknown to torch's counter; the plain products are not.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as flops:
            module(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return Counts(
        macs=total,
        macs_with_attention=flops.get_total_flops() // 2,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
    )
