"""What the GPU runner asks of a stream, in which order, on a fake that computes on the host."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from hybrid_engines import gpu
from hybrid_engines.runner import Buffers


@dataclass
class FakeMirror:
    host: np.ndarray
    device: np.ndarray
    address: int


@dataclass
class FakeStream:
    """Runs at once what is enqueued, unless it is being captured; tells what it did."""

    handle: int = 7
    told: list = field(default_factory=list)
    mirrors: dict = field(default_factory=dict)
    recording: list | None = None

    def mirror(self, shape, dtype):
        address = len(self.mirrors) + 1
        self.mirrors[address] = FakeMirror(np.zeros(shape, dtype), np.zeros(shape, dtype), address)
        return self.mirrors[address]

    def upload(self, mirror):
        self.enqueue("upload", lambda: np.copyto(mirror.device, mirror.host))

    def download(self, mirror):
        self.enqueue("download", lambda: np.copyto(mirror.host, mirror.device))

    def enqueue(self, name, work):
        if self.recording is not None:
            self.recording.append(work)
        else:
            self.told.append(name)
            work()

    def capture(self, work):
        self.recording = []
        work()
        graph, self.recording = self.recording, None
        self.told.append(f"captured {len(graph)}")
        return graph

    def launch(self, graph):
        self.told.append("launch")
        for work in graph:
            work()

    def wait(self):
        self.told.append("wait")


class Doubling:
    """A network: output = 2 * sample + level."""

    def __init__(self, stream):
        self.stream = stream
        self.bound = []

    def bind(self, addresses, *, rows, stream):
        self.bound.append((rows, stream))
        sample, level, output = (self.stream.mirrors[addresses[name]] for name in ("sample", "level", "output"))

        def compute():
            output.device[:] = 2 * sample.device + level.device[:, None]

        return lambda: self.stream.enqueue("network", compute)

    def warmed(self):
        self.stream.told.append("warmed")


@pytest.fixture
def stream():
    return FakeStream()


@pytest.fixture
def runner(stream):
    return gpu.GpuRunner(Doubling(stream), stream=stream)


def buffers(rows):
    inputs = {"sample": np.zeros((rows, 2), np.float32), "level": np.zeros(rows, np.float32)}
    return Buffers(inputs=inputs, outputs={"output": np.zeros((rows, 2), np.float32)})


def test_a_bucket_runs_once_before_it_is_captured_so_that_a_capture_compiles_nothing(runner, stream):
    runner.bind(buffers(2))
    assert stream.told == ["upload", "upload", "network", "download", "wait", "warmed", "captured 4"]


def test_a_call_is_one_launch_and_gives_what_the_network_computes(runner, stream):
    given = buffers(2)
    invoke = runner.bind(given)
    given.inputs["sample"][:] = [[1, 2], [3, 4]]
    given.inputs["level"][:] = [10, 20]
    del stream.told[:]
    invoke()
    assert stream.told == ["launch", "wait"]
    assert given.outputs["output"].tolist() == [[12, 14], [26, 28]]


def test_each_bucket_has_memory_and_a_graph_of_its_own(runner, stream):
    one, two = buffers(1), buffers(2)
    first, second = runner.bind(one), runner.bind(two)
    one.inputs["sample"][:], two.inputs["sample"][:] = 1, 5
    first()
    second()
    assert one.outputs["output"].tolist() == [[2, 2]]
    assert two.outputs["output"].tolist() == [[10, 10], [10, 10]]
    assert len(stream.mirrors) == 6


@pytest.mark.gpu
def test_a_torch_module_runs_in_a_captured_graph_on_a_real_gpu():
    """The runner alone, on any NVIDIA GPU: same numbers as torch, from static memory, again and again."""
    import torch

    from hybrid_engines import cuda

    class Module:
        def __init__(self):
            self.pool = torch.cuda.MemPool()
            self.layer = torch.nn.Conv2d(4, 4, 3, padding=1).cuda()

        def bind(self, addresses, *, rows, stream):
            sample, output = (view(addresses[name], (rows, 4, 8, 8)) for name in ("sample", "output"))
            queue = torch.cuda.ExternalStream(stream)

            def launch():
                with torch.no_grad(), torch.cuda.stream(queue), torch.cuda.use_mem_pool(self.pool):
                    output.copy_(self.layer(sample))

            return launch

        def warmed(self):
            pass

    def view(address, shape):
        interface = {"shape": shape, "typestr": "<f4", "data": (address, False), "version": 3}
        return torch.as_tensor(type("Place", (), {"__cuda_array_interface__": interface})(), device="cuda")

    module, generator = Module(), np.random.default_rng(0)
    for rows in (1, 4):
        shape = (rows, 4, 8, 8)
        given = Buffers(inputs={"sample": np.zeros(shape, np.float32)}, outputs={"output": np.zeros(shape, np.float32)})
        invoke = gpu.GpuRunner(module, stream=cuda.Stream()).bind(given)
        for _ in range(3):
            given.inputs["sample"][:] = generator.standard_normal(shape)
            invoke()
            expected = module.layer(torch.from_numpy(given.inputs["sample"]).cuda()).detach().cpu().numpy()
            np.testing.assert_allclose(given.outputs["output"], expected, atol=1e-3)
