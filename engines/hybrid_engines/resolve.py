"""From what is wanted to what decides an engine's bytes on this machine. It must not read weights or run anything."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from hybrid_engines import digests
from hybrid_engines.backends import selection
from hybrid_engines.models import Component, Model, Size
from hybrid_engines.plan import Plan
from hybrid_engines.runner import Runner
from hybrid_engines.spec import BackendUnavailable, EngineSpec, Progress, Target

if TYPE_CHECKING:
    from torch import nn


THROUGH_ONNX = {"onnxruntime", "tensorrt"}
"""Backends that take the network from `graph`."""


class Backend(Protocol):
    """What a backend's module offers."""

    def version(self) -> str:
        """Name and full version of the build."""
        ...

    def target(self, threads: int) -> Target:
        """What `make` compiles for on this machine; raises `BackendUnavailable` where it cannot compile."""
        ...

    def device(self) -> str:
        """What would run the engine here and decides its bits; raises `BackendUnavailable` where nothing would."""
        ...

    def make(self, module: "nn.Module", *, plan: Plan, folder: Path, progress: Progress) -> None:
        """Compile `module` into files in `folder`."""
        ...

    def open_runner(self, folder: Path, *, plan: Plan) -> Runner:
        """The compiled network from the files that `make` left."""
        ...


def plan(model: Model, component: Component, *, spec: EngineSpec, size: Size) -> Plan:
    """Resolve `auto`, versions, digests and the machine."""
    choice = selection.choose(spec)
    chosen = backend(choice.backend)
    return Plan(
        model=model,
        component=component,
        size=size,
        signature=model.signature(component, size=size),
        network=model.digest(component),
        exporter=exporter(choice.backend),
        backend=choice.backend,
        backend_version=chosen.version(),
        graph=choice.graph,
        precision=choice.precision,
        target=chosen.target(spec.threads),
        batch_sizes=spec.batch_sizes,
    )


def backend(name: str) -> Backend:
    """The module of a backend; importing it imports the vendor's library."""
    return cast("Backend", importlib.import_module(f"hybrid_engines.backends.{name}"))


def has_device(backend_name: str) -> bool:
    """Whether engines of this backend can run here, not only be compiled."""
    try:
        backend(backend_name).device()
    except BackendUnavailable:
        return False
    return True


def exporter(backend_name: str) -> str:
    """Digest of the sources that decide what is exported; they are read, not imported."""
    here = Path(__file__).parent
    graph = ("graph.py",) if backend_name in THROUGH_ONNX else ()
    sources = ("builder.py", "networks.py", "widths.py", "folding.py", *graph, f"backends/{backend_name}.py")
    return digests.value_digest([digests.file_digest(here / source) for source in sources])
