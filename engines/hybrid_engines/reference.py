"""What the network itself says: eager float32's answer to the probe, and the work it takes. For building only."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from hybrid_engines import macs
from hybrid_engines.engine import Array, Facts


def answer(module: nn.Module, inputs: Mapping[str, Array]) -> Array:
    """The module's output, in float32."""
    with torch.inference_mode():
        output = module(*_tensors(inputs))
    return np.asarray(output.numpy(), dtype=np.float32)


def count(module: nn.Module, inputs: Mapping[str, Array]) -> Facts:
    """Work and size for the first row of `inputs`; nothing is measured."""
    counts = macs.count(module, tuple(tensor[:1] for tensor in _tensors(inputs)))
    return Facts(macs=counts.macs, macs_with_attention=counts.macs_with_attention, parameters=counts.parameters)


def _tensors(inputs: Mapping[str, Array]) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(array) for array in inputs.values())
