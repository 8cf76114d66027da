"""TensorRT, the data-centre product or TensorRT for RTX: strongly typed plans, one static-batch profile a bucket.

The only module that imports either. Both have one API; TensorRT for RTX compiles ahead of time for every GPU that it
supports, so it also builds where there is none, and leaves the last compilation to the device. It must not read
checkpoints, and at run time it must not import torch.
"""

import importlib
import importlib.util
import re
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_engines import cuda, digests, examination
from hybrid_engines.backends import profiles
from hybrid_engines.gpu import GpuRunner, Launch
from hybrid_engines.plan import Plan
from hybrid_engines.spec import BackendUnavailable, EngineError, Progress, Stage, Target

if TYPE_CHECKING:
    from torch import nn

AHEAD_OF_TIME = "tensorrt_rtx"
OLDEST = {"tensorrt": (10, 12), AHEAD_OF_TIME: (1, 7)}
"""The first version of each product that this file was written for, the data-centre one first."""
FILE = "network.plan"
RUNTIME_CACHE = "runtime.cache"
FULL = re.compile("out ?of ?memory", re.IGNORECASE)
"""How TensorRT and CUDA name a GPU whose memory is full."""


def version() -> str:
    """Name and full version of the library."""
    library = _library()
    return f"{library.__name__} {library.__version__}"


def target(threads: int) -> Target:  # noqa: ARG001  (a GPU schedules itself)
    """Every GPU that the library supports where it compiles ahead of time, else the one that is here."""
    if _library().__name__ == AHEAD_OF_TIME:
        return Target(device="NVIDIA GPU", instruction_set=" ".join(supported()), threads=0)
    found = cuda.gpu()
    return Target(device=found.name, instruction_set="sm_{}{}".format(*found.capability), threads=0)


def device() -> str:
    """The GPU that is here, if the library takes it."""
    found, capabilities = cuda.gpu(), supported()
    name = "SM{}{}".format(*found.capability)
    if capabilities and name not in capabilities:
        raise BackendUnavailable(
            f"{version()} does not run on {found.name} ({name}); it takes {', '.join(capabilities)}."
        )
    return str(found)


def supported() -> tuple[str, ...]:
    """The compute capabilities that plans can be compiled for; empty where the library does not list them."""
    if _library().__name__ != AHEAD_OF_TIME:
        return ()
    return tuple(name for name in _library().ComputeCapability.__members__ if name.startswith("SM"))


def make(module: "nn.Module", *, plan: Plan, folder: Path, progress: Progress) -> None:
    """Export the network and compile it into a plan, with a record of its arrays and profiles beside it."""
    from hybrid_engines import graph  # noqa: PLC0415  (torch, at build time only)

    with tempfile.TemporaryDirectory(prefix="onnx-", dir=folder) as scratch:
        path = Path(scratch) / "network.onnx"
        progress(Stage.EXPORT)
        graph.export(module, signature=plan.signature, precision=plan.precision, path=path)
        progress(Stage.COMPILE)
        compile_graph(path, plan=plan, folder=folder)


def compile_graph(path: Path, *, plan: Plan, folder: Path) -> None:
    """The plan of an ONNX file, in `folder`."""
    library, log = _library(), _log()
    builder = library.Builder(log)
    network = builder.create_network(_flags(library))
    parser = library.OnnxParser(network, log)
    if not parser.parse_from_file(str(path)):
        faults = "; ".join(parser.get_error(index).desc() for index in range(parser.num_errors))
        raise EngineError(f"{version()} cannot read the exported graph: {_line(faults or log.last)}. Export it again.")
    config = builder.create_builder_config()
    if plan.precision == "f32":
        config.clear_flag(library.BuilderFlag.TF32)  # which would keep ten bits of a product
    record = profiles.add(builder, network, config, plan=plan, name_of=library.nptype)
    compiled = builder.build_serialized_network(network, config)
    if compiled is None:
        raise EngineError(f"{version()} cannot compile the network: {_line(log.last)}.")
    (folder / FILE).write_bytes(compiled)
    profiles.write(folder, record)


def open_runner(folder: Path, *, plan: Plan) -> GpuRunner:
    """The plan that `make` left in `folder`, on the GPU that is here."""
    here = device()
    log = _log()
    runtime = _library().Runtime(log)
    engine = runtime.deserialize_cuda_engine((folder / FILE).read_bytes())
    if engine is None:
        raise _refusal(log, component=plan.component)
    profiles.check(engine, plan=plan)
    cache = examination.folder(folder, device=here) / RUNTIME_CACHE
    return GpuRunner(_Network(engine, plan=plan, cache=cache, runtime=runtime, log=log), stream=cuda.Stream())


def _refusal(log: Any, *, component: str) -> EngineError:
    """Why a plan was not loaded: loading needs room for its weights, and a full GPU says nothing about it."""
    if log.full is None:
        return EngineError(f"{version()} cannot load the plan: {_line(log.last)}.")
    return BackendUnavailable(
        f"{version()} cannot hold the weights of `{component}` on this GPU: {_line(log.full)}. Free some of its memory."
    )


class _Network:
    """A deserialized plan; one execution context a bucket, because a context remembers shapes and addresses."""

    def __init__(self, engine: Any, *, plan: Plan, cache: Path, runtime: Any, log: Any) -> None:
        self._engine = engine
        self._plan = plan
        self._runtime, self._log = runtime, log  # must outlive the engine
        self._cache = cache
        self._config = engine.create_runtime_config()
        self._compiled = _read_cache(self._config, path=cache)

    def bind(self, addresses: Mapping[str, int], *, rows: int, stream: int) -> Launch:
        """Binds addresses and nothing else; the runner owns memory and graph."""
        context = self._engine.create_execution_context(self._config)
        if context is None:  # as where the GPU's memory is full
            what = f"`{self._plan.component}` with {rows} rows"
            raise BackendUnavailable(f"{version()} cannot hold {what} on this GPU: {_line(self._log.last)}.")
        profile = self._plan.batch_sizes.index(rows)
        self._demand(f"profile {profile}", is_taken=context.set_optimization_profile_async(profile, stream))
        for port in self._plan.signature.inputs:
            shape = (rows, *port.shape)
            self._demand(f"shape {shape} of `{port.name}`", is_taken=context.set_input_shape(port.name, shape))
        for name, address in addresses.items():
            self._demand(f"address of `{name}`", is_taken=context.set_tensor_address(name, address))

        def launch() -> None:
            if not context.execute_async_v3(stream):
                raise EngineError(f"TensorRT did not run `{self._plan.component}` with {rows} rows.")

        return launch

    def warmed(self) -> None:
        """Keep what the device compiled, so that the next start need not."""
        if self._compiled is not None:
            digests.write_checked(self._cache, bytes(self._compiled.serialize()))

    def _demand(self, what: str, *, is_taken: bool) -> None:
        if not is_taken:
            network = self._plan.component
            raise EngineError(f"{version()} does not take the {what} for `{network}`: {_line(self._log.last)}.")


def _read_cache(config: Any, *, path: Path) -> Any:
    """The runtime cache that a TensorRT for RTX fills, with what an earlier process left in it; else `None`."""
    if not hasattr(config, "create_runtime_cache"):
        return None
    compiled = config.create_runtime_cache()
    kept = digests.read_checked(path)
    if kept is not None:
        compiled.deserialize(kept)
    config.set_runtime_cache(compiled)
    return compiled


@lru_cache(maxsize=1)
def _library() -> Any:
    """Whichever of the two products is installed; the data-centre one where both are."""
    for name, oldest in OLDEST.items():
        if importlib.util.find_spec(name) is not None:
            library = _import(name)
            _check_version(name, found=library.__version__, oldest=oldest)
            return library
    raise BackendUnavailable("Neither `tensorrt` nor `tensorrt_rtx` is installed.")


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # as where a library of CUDA that it links to is missing
        raise BackendUnavailable(
            f"`{name}` is installed but cannot be loaded: {_line(str(error))}; reinstall it or remove it."
        ) from error


def _check_version(name: str, *, found: str, oldest: tuple[int, int]) -> None:
    if tuple(map(int, found.split(".")[:2])) < oldest:
        wanted = ".".join(map(str, oldest))
        raise BackendUnavailable(f"`{name}` is {found}, engines need {wanted} or later; upgrade it.")


def _flags(library: Any) -> int:
    """Strong typing: the graph's own dtypes hold. It is asked for in TensorRT 10 and the only mode later."""
    return 1 << int(library.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def _log() -> Any:
    """A logger that keeps the last error for our own message, and the last that names memory, as others follow it."""
    library = _library()

    class Log(library.ILogger):  # type: ignore[misc, name-defined]  # the library is only known at run time
        def __init__(self) -> None:
            library.ILogger.__init__(self)
            self.last = "no reason was given"
            self.full: str | None = None

        def log(self, severity: Any, message: str) -> None:
            if int(severity) <= int(library.ILogger.ERROR):
                self.last = message
                self.full = message if FULL.search(message) else self.full

    return Log()


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")
