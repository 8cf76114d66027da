"""ONNX Runtime on CPUs, in float32: one dynamic-batch graph, kept as the portable ONNX file that a browser runs too.

The only module that imports onnxruntime. It must not read checkpoints, and at run time it must not import torch.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from hybrid_engines.cpu import device, target
from hybrid_engines.plan import Plan
from hybrid_engines.runner import Buffers, Invoke
from hybrid_engines.spec import EngineError, Progress, Stage

if TYPE_CHECKING:
    from torch import nn

__all__ = ["OnnxRuntimeRunner", "device", "make", "open_runner", "target", "version"]

FILE = "network.onnx"
PROVIDERS = ["CPUExecutionProvider"]
FAILURES = (
    errors.Fail,
    errors.InvalidArgument,
    errors.InvalidGraph,
    errors.InvalidProtobuf,
    errors.NoSuchFile,
    errors.NotImplemented,
    errors.RuntimeException,
)
"""What loading a file raises; the library's errors share no base."""


def version() -> str:
    """Full version of the library's build."""
    commit = re.search(r"git-commit-id=(\w+)", onnxruntime.get_build_info())
    return f"onnxruntime {onnxruntime.__version__}" + (f"-{commit[1]}" if commit else "")


def make(module: "nn.Module", *, plan: Plan, folder: Path, progress: Progress) -> None:
    """Export the network and see that the library takes it."""
    from hybrid_engines import graph  # noqa: PLC0415  (torch, at build time only)

    progress(Stage.EXPORT)
    graph.export(module, signature=plan.signature, precision=plan.precision, path=folder / FILE)
    progress(Stage.COMPILE)
    open_runner(folder, plan=plan)


def open_runner(folder: Path, *, plan: Plan) -> "OnnxRuntimeRunner":
    """The network that `make` left in `folder`, optimized for this processor anew: that takes milliseconds."""
    try:
        session = onnxruntime.InferenceSession(str(folder / FILE), _options(plan), providers=PROVIDERS)
    except FAILURES as error:
        raise EngineError(f"ONNX Runtime cannot load the network: {' '.join(str(error).split())}.") from error
    return OnnxRuntimeRunner(session)


class OnnxRuntimeRunner:
    """A session; each bucket is bound once to fixed memory."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def bind(self, buffers: Buffers) -> Invoke:
        """A call whose arrays are the buffers themselves."""
        binding = self._session.io_binding()
        for name, array in buffers.inputs.items():
            binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for name, array in buffers.outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

        def invoke() -> None:
            self._session.run_with_iobinding(binding)

        return invoke


def _options(plan: Plan) -> Any:
    """Every option that decides bits or speed, explicitly."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = plan.threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Threads that spin while another engine of the process computes would take its processors.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options
