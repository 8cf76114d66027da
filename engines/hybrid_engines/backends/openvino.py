"""OpenVINO on x86 CPUs: a dynamic-batch graph, or a static one a bucket, kept as the plugin's own blobs.

The only module that imports openvino. It must not read checkpoints, and at run time it must not import torch.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_engines import cpu
from hybrid_engines.cpu import device, target
from hybrid_engines.plan import Plan
from hybrid_engines.runner import Buffers, Invoke
from hybrid_engines.signature import Port, Signature
from hybrid_engines.spec import BackendUnavailable, EngineError, Progress, Stage

# Importing openvino tells its vendor so over the network and writes to the home folder, unless this package is missing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None makes an import fail, as documented
import openvino as ov  # noqa: E402

if TYPE_CHECKING:
    from torch import nn

__all__ = ["OpenVinoRunner", "device", "make", "open_runner", "target", "version"]

DEVICE = "CPU"
FULL = re.compile(r"bad.?alloc|can't alloc|could not allocate memory|out of memory", re.IGNORECASE)
"""How C++, OpenVINO and its assembler (Xbyak) name memory that is full."""


def version() -> str:
    """Full version of the CPU plugin's build."""
    return f"openvino {ov.Core().get_versions(DEVICE)[DEVICE].build_number}"


def make(module: "nn.Module", *, plan: Plan, folder: Path, progress: Progress) -> None:
    """Export, compile for this machine, and keep the compiled network in `folder`."""
    _check_threads(cpu.usable_threads(), plan=plan)
    progress(Stage.EXPORT)
    model = _export(module, signature=plan.signature)
    progress(Stage.COMPILE)
    for batch in _batches(plan):
        shapes = {port.name: ov.PartialShape([batch or -1, *port.shape]) for port in plan.signature.inputs}
        shaped = model.clone()
        shaped.reshape(shapes)
        (folder / blob_name(batch)).write_bytes(_compile(shaped, plan=plan))


def open_runner(folder: Path, *, plan: Plan) -> "OpenVinoRunner":
    """The compiled network that `make` left in `folder`."""
    return OpenVinoRunner({batch: _load(folder / blob_name(batch), plan=plan) for batch in _batches(plan)})


class OpenVinoRunner:
    """Compiled models by their batch, `None` for the one that takes any."""

    def __init__(self, compiled: Mapping[int | None, Any]) -> None:
        self._compiled = compiled

    def bind(self, buffers: Buffers) -> Invoke:
        """A request of the bucket's own, whose tensors are the buffers themselves."""
        batch = len(next(iter(buffers.inputs.values())))
        request = (self._compiled.get(None) or self._compiled[batch]).create_infer_request()
        for name, array in (*buffers.inputs.items(), *buffers.outputs.items()):
            request.set_tensor(name, ov.Tensor(array, shared_memory=True))

        def invoke() -> None:
            request.infer(share_outputs=True)  # without it the outputs are copied once more

        return invoke


def blob_name(batch: int | None) -> str:
    """File of the graph for `batch` rows, of the dynamic graph for `None`."""
    return "network.blob" if batch is None else f"network-{batch}.blob"


def _batches(plan: Plan) -> tuple[int | None, ...]:
    return plan.batch_sizes if plan.graph == "static" else (None,)


def _compile(model: Any, *, plan: Plan) -> bytes:
    try:
        compiled = ov.Core().compile_model(model, DEVICE, _properties(plan))
    except RuntimeError as error:
        raise EngineError(f"OpenVINO cannot compile `{plan.component}` in {plan.precision}: {_line(error)}.") from error
    return bytes(compiled.export_model().getvalue())


def _line(error: RuntimeError | MemoryError) -> str:
    """The last sentence of a message that begins with the files of OpenVINO's own source."""
    return str(error).strip().rpartition("\n")[2].strip().rstrip(".")


def _load(path: Path, *, plan: Plan) -> Any:
    blob = ov.Tensor(np.memmap(path, dtype=np.uint8, mode="r"))
    try:
        compiled = ov.Core().import_model(blob, DEVICE, _properties(plan))
    except (RuntimeError, MemoryError) as error:
        raise _refusal(error, plan=plan) from error
    _check_threads(compiled.get_property("INFERENCE_NUM_THREADS"), plan=plan)
    return compiled


def _refusal(error: RuntimeError | MemoryError, *, plan: Plan) -> EngineError:
    """Why a network was not loaded: full memory says nothing about its file."""
    if isinstance(error, MemoryError) or FULL.search(str(error)):
        return BackendUnavailable(
            f"OpenVINO has no memory for `{plan.component}` ({_line(error) or 'bad alloc'}); give it more."
        )
    return EngineError(f"OpenVINO cannot load the compiled network: {_line(error)}.")


def _check_threads(given: int, *, plan: Plan) -> None:
    """OpenVINO silently takes fewer threads where the process may run on fewer processors; the bits would differ."""
    if given < plan.threads:
        raise BackendUnavailable(
            f"OpenVINO can run {given} of the {plan.threads} threads that the engine is for; "
            f"give the process {plan.threads} processors or set `threads` to {given}."
        )


def _properties(plan: Plan) -> dict[str, Any]:
    """Every property that decides bits or speed, explicitly; import forgets what export knew."""
    return _static_properties(plan) | {
        "INFERENCE_PRECISION_HINT": plan.precision,
        "EXECUTION_MODE_HINT": "ACCURACY" if plan.precision == "f32" else "PERFORMANCE",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": plan.threads,
        # Pinned engines of two processes would share the first cores of the machine.
        "ENABLE_CPU_PINNING": False,
        "ENABLE_HYPER_THREADING": True,
    }


def _static_properties(plan: Plan) -> dict[str, Any]:
    """OpenVINO 2026.4 dies of a segmentation fault when it fuses attention of static float32 graphs on AVX-512."""
    return {"SNIPPETS_MODE": "DISABLE"} if (plan.graph, plan.precision) == ("static", "f32") else {}


def _export(module: "nn.Module", *, signature: Signature) -> Any:
    """The torch module as an OpenVINO model with a dynamic batch."""
    import torch  # noqa: PLC0415  (at build time only)

    examples = tuple(torch.zeros((2, *port.shape), dtype=getattr(torch, port.dtype)) for port in signature.inputs)
    shapes = [ov.PartialShape([-1, *port.shape]) for port in signature.inputs]
    with torch.no_grad():
        # Unchecked, which is three times faster: the probe checks what comes out in the end.
        traced = torch.jit.trace(module, examples, check_trace=False, strict=False)  # type: ignore[no-untyped-call]  # torch has no annotation there
        model = ov.convert_model(traced, example_input=examples, input=shapes)
    _name(model.inputs, signature.inputs)
    _name(model.outputs, signature.outputs)
    return model


def _name(found: Any, ports: tuple[Port, ...]) -> None:
    for tensor, port in zip(found, ports, strict=True):
        tensor.get_tensor().set_names({port.name})
