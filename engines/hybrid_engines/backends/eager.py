"""Plain torch in float32, the reference for other backends. It needs torch and diffusers at run time."""

import importlib.metadata
from pathlib import Path

import torch

from hybrid_engines import networks
from hybrid_engines.cpu import device, target
from hybrid_engines.plan import Plan
from hybrid_engines.runner import Buffers, Invoke
from hybrid_engines.spec import Progress

__all__ = ["EagerRunner", "device", "make", "open_runner", "target", "version"]


def version() -> str:
    """What decides the bits: torch's build and the code of the networks."""
    packages = {name: importlib.metadata.version(name) for name in ("diffusers", "transformers")}
    return " ".join([f"torch {torch.__version__}", *(f"{name} {found}" for name, found in packages.items())])


def make(module: torch.nn.Module, *, plan: Plan, folder: Path, progress: Progress) -> None:
    """Nothing: the entry holds facts and probe only."""


def open_runner(folder: Path, *, plan: Plan) -> "EagerRunner":  # noqa: ARG001  (the entry has no artifact)
    """Load the weights again."""
    return EagerRunner(networks.load(plan.model, plan.component), threads=plan.threads)


class EagerRunner:
    """A torch module on the CPU with an explicit number of threads."""

    def __init__(self, module: torch.nn.Module, *, threads: int) -> None:
        self._module = module
        self._threads = threads

    def bind(self, buffers: Buffers) -> Invoke:
        """Call the module on tensors that share the buffers' memory."""
        inputs = [torch.from_numpy(array) for array in buffers.inputs.values()]
        (output,) = (torch.from_numpy(array) for array in buffers.outputs.values())

        def invoke() -> None:
            # A setting of the whole process: another engine may have changed it since.
            if torch.get_num_threads() != self._threads:
                torch.set_num_threads(self._threads)
            with torch.inference_mode():
                output.copy_(self._module(*inputs))

        return invoke
