"""The few calls of the CUDA runtime that engines need: one stream of the first GPU, its memory, its graphs.

The only module that imports CUDA's bindings. It must not know what is computed.
"""

import ctypes
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hybrid_engines.engine import Array
from hybrid_engines.spec import BackendUnavailable

Graph = Any


@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPU that engines of this process run on."""

    name: str
    capability: tuple[int, int]
    driver: int
    """CUDA version of the driver, as CUDA counts (13020 is 13.2)."""

    def __str__(self) -> str:
        major, minor = self.capability
        return f"{self.name} sm_{major}{minor} driver {self.driver}"


@dataclass(frozen=True, slots=True)
class Mirror:
    """An array in page-locked host memory and its place on the device."""

    host: Array
    address: int


class CudaFailed(BackendUnavailable):
    """A call of the CUDA runtime that did not succeed: the trouble of this GPU, not of what was to run on it."""


def gpu() -> Gpu:
    """The first GPU; raises `BackendUnavailable` with the reason where there is none to use."""
    try:
        found = _call("cudaGetDeviceProperties", 0)
        driver = _call("cudaDriverGetVersion")
    except CudaFailed as error:
        raise BackendUnavailable(f"No NVIDIA GPU can be used here: {error}") from error
    return Gpu(name=found.name.decode().rstrip("\0"), capability=(found.major, found.minor), driver=driver)


class Stream:
    """A stream of its own and everything that lives on it; what it holds is freed with it."""

    def __init__(self) -> None:
        self.handle = int(_call("cudaStreamCreateWithFlags", _runtime().cudaStreamNonBlocking))
        self._held: list[tuple[str, Any]] = []
        weakref.finalize(self, _release, self._held, self.handle)

    def mirror(self, shape: tuple[int, ...], dtype: str) -> Mirror:
        """Zeros on the host and a place for them on the device."""
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        pinned = _call("cudaHostAlloc", count, _runtime().cudaHostAllocDefault)
        self._held.append(("cudaFreeHost", pinned))
        address = _call("cudaMalloc", count)
        self._held.append(("cudaFree", address))
        host = np.frombuffer(memoryview((ctypes.c_byte * count).from_address(int(pinned))), dtype=dtype).reshape(shape)
        host[:] = 0
        return Mirror(host=host, address=int(address))

    def upload(self, mirror: Mirror) -> None:
        """Enqueue the copy to the device."""
        self._copy(mirror.address, mirror.host.ctypes.data, mirror.host.nbytes, "cudaMemcpyHostToDevice")

    def download(self, mirror: Mirror) -> None:
        """Enqueue the copy to the host."""
        self._copy(mirror.host.ctypes.data, mirror.address, mirror.host.nbytes, "cudaMemcpyDeviceToHost")

    def capture(self, work: Callable[[], None]) -> Graph:
        """What `work` enqueues, as one graph; nothing runs."""
        # Other threads may allocate meanwhile: only what this thread does on this stream is recorded.
        mode = _runtime().cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        _call("cudaStreamBeginCapture", self.handle, mode)
        try:
            work()
        finally:
            recorded = _call("cudaStreamEndCapture", self.handle)
        graph = _call("cudaGraphInstantiate", recorded, 0)
        _call("cudaGraphDestroy", recorded)
        self._held.append(("cudaGraphExecDestroy", graph))
        return graph

    def launch(self, graph: Graph) -> None:
        """Enqueue a captured graph."""
        _call("cudaGraphLaunch", graph, self.handle)

    def wait(self) -> None:
        """Return when everything enqueued is done."""
        _call("cudaStreamSynchronize", self.handle)

    def _copy(self, target: int, source: int, count: int, kind: str) -> None:
        _call("cudaMemcpyAsync", target, source, count, getattr(_runtime().cudaMemcpyKind, kind), self.handle)


def _runtime() -> Any:
    try:
        from cuda.bindings import runtime  # noqa: PLC0415  (an optional package)
    except ImportError as error:
        raise BackendUnavailable(
            "Running on a GPU needs the package `cuda-bindings`; install `hybrid-diffusion[tensorrt-rtx]`."
        ) from error
    return runtime


def _call(name: str, *arguments: Any) -> Any:
    """The first result of a runtime call; an error code becomes a sentence."""
    runtime = _runtime()
    code, *results = getattr(runtime, name)(*arguments)
    if code != runtime.cudaError_t.cudaSuccess:
        _, text = runtime.cudaGetErrorString(code)
        raise CudaFailed(f"`{name}` says: {text.decode().rstrip('.')}.")
    return results[0] if results else None


def _release(held: list[tuple[str, Any]], stream: int) -> None:
    """Best effort: at interpreter exit the driver may have gone first."""
    runtime = _runtime()
    for name, resource in reversed(held):
        getattr(runtime, name)(resource)
    runtime.cudaStreamDestroy(stream)
