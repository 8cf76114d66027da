"""Runs a compiled network on a GPU: fixed memory for every bucket, and one captured graph of copies and kernels.

Launching a U-Net's hundreds of kernels one by one takes longer than computing small batches; a captured graph is one
launch. What computes is behind `Network`, such as a plan of TensorRT. It must not know which.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from hybrid_engines.engine import Array
from hybrid_engines.runner import Buffers, Invoke

Launch = Callable[[], None]


class Mirror(Protocol):
    """An array on the host and its place on the device."""

    @property
    def host(self) -> Array:
        """Page-locked, so that copies are part of the graph."""
        ...

    @property
    def address(self) -> int:
        """On the device."""
        ...


class Stream(Protocol):
    """A queue of the device (`cuda.Stream`)."""

    handle: int

    def mirror(self, shape: tuple[int, ...], dtype: str) -> Mirror:
        """Zeros in both places."""
        ...

    def upload(self, mirror: Any) -> None:
        """Enqueue the copy to the device."""
        ...

    def download(self, mirror: Any) -> None:
        """Enqueue the copy to the host."""
        ...

    def capture(self, work: Launch) -> Any:
        """What `work` enqueues, as one graph; nothing runs."""
        ...

    def launch(self, graph: Any) -> None:
        """Enqueue a captured graph."""
        ...

    def wait(self) -> None:
        """Return when everything enqueued is done."""
        ...


class Network(Protocol):
    """What computes on the device."""

    def bind(self, addresses: Mapping[str, int], *, rows: int, stream: int) -> Launch:
        """A function that enqueues the network for `rows` rows at fixed addresses, and allocates nothing."""
        ...

    def warmed(self) -> None:
        """Told once after the first run of every bucket: what it compiled late is compiled now."""
        ...


class GpuRunner:
    """A `runner.Runner` on one stream."""

    def __init__(self, network: Network, *, stream: Stream) -> None:
        self._network = network
        self._stream = stream

    def bind(self, buffers: Buffers) -> Invoke:
        """Fixed device memory for these buffers, and the graph that fills the outputs from the inputs."""
        stream = self._stream
        inputs, outputs = self._mirror(buffers.inputs), self._mirror(buffers.outputs)
        addresses = {name: mirror.address for name, mirror in (*inputs.items(), *outputs.items())}
        launch = self._network.bind(addresses, rows=len(next(iter(buffers.inputs.values()))), stream=stream.handle)

        def work() -> None:
            for mirror in inputs.values():
                stream.upload(mirror)
            launch()
            for mirror in outputs.values():
                stream.download(mirror)

        # The first run may compile and allocate, which a capture must not.
        work()
        stream.wait()
        self._network.warmed()
        graph = stream.capture(work)

        def invoke() -> None:
            for name, mirror in inputs.items():
                np.copyto(mirror.host, buffers.inputs[name])
            stream.launch(graph)
            stream.wait()
            for name, mirror in outputs.items():
                np.copyto(buffers.outputs[name], mirror.host)

        return invoke

    def _mirror(self, arrays: Mapping[str, Array]) -> dict[str, Mirror]:
        return {name: self._stream.mirror(array.shape, array.dtype.name) for name, array in arrays.items()}
