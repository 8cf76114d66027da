"""A network as an ONNX file with named arrays and a dynamic batch: what TensorRT compiles and ONNX Runtime runs.

For building only: it imports torch. The file's inputs and outputs are the signature's in every precision, so callers
never see half precision; inside, everything but the level is `precision`.
"""

import importlib.util
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from hybrid_engines.signature import Role, Signature
from hybrid_engines.spec import BackendUnavailable, EngineError

OPSET = 21
"""The first with GroupNormalization; TensorRT 10.9 and ONNX Runtime take it whole."""
ONE_FILE_BYTES = 2**30
"""Beyond this the weights lie beside the graph: one protobuf message ends at 2 GiB."""
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


class _Narrowed(nn.Module):
    """The network in another precision, between casts."""

    def __init__(self, module: nn.Module, *, signature: Signature, dtype: torch.dtype) -> None:
        super().__init__()
        self._module = module.to(dtype)
        self._dtype = dtype
        self._kept = [port.role in {Role.LEVEL, Role.TOKENS} for port in signature.inputs]

    def forward(self, *arrays: Tensor) -> Tensor:
        """The network's output in float32."""
        narrow = [array if kept else array.to(self._dtype) for array, kept in zip(arrays, self._kept, strict=True)]
        return cast("Tensor", self._module(*narrow)).float()


def export(module: nn.Module, *, signature: Signature, precision: str, path: Path) -> None:
    """Write the network to `path` (and large weights beside it); `module` is of no use afterwards."""
    if importlib.util.find_spec("onnxscript") is None:
        raise BackendUnavailable(
            "Exporting a network needs the package `onnxscript`; install `hybrid-diffusion[engines]`."
        )
    # Of two rows, because the exporter takes a batch of one for a constant (pytorch#148886).
    examples = tuple(torch.zeros((2, *port.shape), dtype=getattr(torch, port.dtype)) for port in signature.inputs)
    narrowed = _Narrowed(module, signature=signature, dtype=DTYPES[precision]).eval()
    size_bytes = sum(weight.numel() * weight.element_size() for weight in narrowed.parameters())
    batch = torch.export.Dim("batch", min=1, max=1024)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            narrowed,
            examples,
            dynamo=True,
            opset_version=OPSET,
            input_names=[port.name for port in signature.inputs],
            output_names=[port.name for port in signature.outputs],
            dynamic_shapes=(tuple({0: batch} for _ in examples),),
            custom_translation_table={torch.ops.aten.mean.dim: _mean},
            verbose=False,
        )
    if program is None:
        raise EngineError("The exporter wrote no graph; this version of torch lacks `torch.onnx.export(dynamo=True)`.")
    program.save(str(path), external_data=size_bytes > ONE_FILE_BYTES)


def _mean(values: Any, dim: Sequence[int], keepdim: bool = False, dtype: Any = None) -> Any:  # noqa: ARG001, FBT001, FBT002  (torch's own signature)
    """A mean as a pooling: ONNX Runtime's own adds up in another order where the batch is one, and bits differ."""
    from onnxscript import opset21 as op  # noqa: PLC0415  (an optional package)

    rank = len(values.shape)
    reduced = sorted(axis % rank for axis in dim)
    kept = [axis for axis in range(rank) if axis not in reduced]
    if len(kept) != 2 or reduced == [*range(len(kept), rank)]:
        return op.ReduceMean(values, op.Constant(value_ints=reduced), keepdims=int(keepdim))
    pooled = op.GlobalAveragePool(op.Transpose(values, perm=[*kept, *reduced]))
    mean = op.Squeeze(pooled, op.Constant(value_ints=[*range(len(kept), rank)]))
    return op.Unsqueeze(mean, op.Constant(value_ints=reduced)) if keepdim else mean


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks about packages that it could use."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        yield
    finally:
        logger.setLevel(level)
