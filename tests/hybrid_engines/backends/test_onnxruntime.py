"""What only ONNX Runtime does: it reads a portable file, which others may have written or spoiled."""

import pytest

from hybrid_engines import build, digests, models
from hybrid_engines.cache import MANIFEST
from hybrid_engines.spec import EngineSpec

pytest.importorskip("onnxruntime")
from hybrid_engines.backends import onnxruntime

SPEC = EngineSpec(backend="onnxruntime", batch_sizes=(1, 2))
SIZE = (16, 16)


@pytest.fixture
def ask(tiny_master, tmp_path):
    """Ask `build.load` or `build.ensure` for the tiny text encoder."""
    model = models.open_model((tiny_master / "large").as_uri())
    return lambda function: function(model, "text_encoder", spec=SPEC, size=SIZE, cache=tmp_path)


@pytest.mark.parametrize("spoiled", [b"no graph at all", b""], ids=["garbage", "empty"])
def test_a_corrupt_graph_is_one_sentence_and_built_again(ask, tmp_path, spoiled):
    domain = ask(build.ensure).domain
    (entry,) = (path for path in tmp_path.iterdir() if not path.name.startswith("."))
    (entry / onnxruntime.FILE).write_bytes(spoiled)
    manifest = digests.unseal((entry / MANIFEST).read_bytes())
    manifest["files"][onnxruntime.FILE] = digests.file_digest(entry / onnxruntime.FILE)
    (entry / MANIFEST).write_bytes(digests.seal(manifest))
    with pytest.raises(build.EngineMissing, match="ONNX Runtime cannot load the network") as raised:
        ask(build.load)
    assert "\n" not in str(raised.value)
    assert ask(build.ensure).domain == domain


def test_the_graph_is_one_file_that_names_its_arrays(ask, tmp_path):
    onnx = pytest.importorskip("onnx")
    ask(build.ensure)
    (path,) = tmp_path.glob(f"*/{onnxruntime.FILE}")
    graph = onnx.load(path).graph
    assert [each.name for each in graph.input] == ["tokens"]
    assert [each.name for each in graph.output] == ["text"]
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_param, "the batch is not dynamic"
