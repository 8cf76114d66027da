"""CUDA's answers become sentences; what needs a GPU is marked so."""

import numpy as np
import pytest

from hybrid_engines import cuda
from hybrid_engines.spec import BackendUnavailable

pytest.importorskip("cuda.bindings")


def has_gpu():
    try:
        cuda.gpu()
    except BackendUnavailable:
        return False
    return True


@pytest.mark.hardware
@pytest.mark.skipif(has_gpu(), reason="there is a GPU")
def test_without_a_gpu_there_is_one_sentence_with_cudas_reason():
    with pytest.raises(BackendUnavailable, match=r"can be used here: `cudaGetDeviceProperties` says: .+\.$"):
        cuda.gpu()


@pytest.mark.gpu
def test_what_is_uploaded_comes_back_through_a_captured_graph():
    stream = cuda.Stream()
    mirror = stream.mirror((3, 5), "float32")

    def work():
        stream.upload(mirror)
        stream.download(mirror)

    work()
    stream.wait()
    graph = stream.capture(work)
    mirror.host[:] = np.arange(15).reshape(3, 5)
    stream.launch(graph)
    stream.wait()
    assert np.array_equal(mirror.host, np.arange(15).reshape(3, 5))
