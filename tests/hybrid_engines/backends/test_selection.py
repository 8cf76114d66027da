import pytest

from hybrid_engines import cpu, cuda
from hybrid_engines.backends import selection, tensorrt
from hybrid_engines.spec import BackendUnavailable, EngineError, EngineSpec

EVERYTHING = ("tensorrt", "openvino", "onnxruntime", "eager")


@pytest.fixture
def machine(monkeypatch):
    """Choose what the machine is and what is installed."""

    def pretend(architecture="x86_64", installed=EVERYTHING, *, gpu=False):
        monkeypatch.setattr(selection.platform, "machine", lambda: architecture)
        monkeypatch.setattr(selection, "is_installed", lambda name: name in installed)
        monkeypatch.setattr(selection, "has_gpu", lambda: gpu)

    return pretend


@pytest.mark.parametrize(
    ("architecture", "installed", "backend", "because"),
    [
        ("x86_64", EVERYTHING, "openvino", "there is no NVIDIA GPU, and it is the fastest backend on an x86 CPU"),
        ("AMD64", ("openvino",), "openvino", "the fastest backend on an x86 CPU"),
        ("x86_64", ("onnxruntime", "eager"), "onnxruntime", "`openvino` is not installed"),
        ("x86_64", ("eager",), "eager", "`openvino` is not installed, and neither is `onnxruntime`"),
        ("aarch64", EVERYTHING, "onnxruntime", "OpenVINO is compiled for x86, this is aarch64"),
        ("aarch64", ("eager",), "eager", "this is aarch64, without `onnxruntime`"),
    ],
)
def test_auto_says_in_one_sentence_what_it_chose_and_why(machine, architecture, installed, backend, because):
    machine(architecture, installed)
    choice = selection.choose(EngineSpec())
    assert (choice.backend, choice.precision, choice.graph) == (backend, "f32", "dynamic")
    assert because in choice.reason
    assert choice.reason.count(". ") == 0
    assert choice.reason.endswith(".")


def test_auto_on_a_gpu_without_tensorrt_says_what_is_missing(machine):
    machine(installed=("openvino",), gpu=True)
    choice = selection.choose(EngineSpec())
    assert choice.backend == "openvino"
    assert "neither `tensorrt` nor `tensorrt_rtx` is installed for the GPU" in choice.reason


class Library:
    """A TensorRT that takes this machine's GPU, or does not."""

    def __init__(self, objection=None):
        self.objection = objection

    def device(self):
        if self.objection:
            raise BackendUnavailable(self.objection)
        return "a GPU"


def test_auto_on_a_gpu_that_tensorrt_takes_is_tensorrt_in_half_precision(machine, monkeypatch):
    machine(gpu=True)
    monkeypatch.setattr(selection.importlib, "import_module", lambda name: Library())
    choice = selection.choose(EngineSpec())
    assert (choice.backend, choice.precision, choice.graph) == ("tensorrt", "f16", "static")


def test_auto_on_a_gpu_that_tensorrt_does_not_take_says_so(machine, monkeypatch):
    machine(gpu=True)
    monkeypatch.setattr(selection.importlib, "import_module", lambda name: Library("It takes no such GPU."))
    choice = selection.choose(EngineSpec())
    assert choice.backend == "openvino"
    assert "It takes no such GPU, and it is the fastest" in choice.reason


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A GPU, and a package `tensorrt` whose import raises what is given."""

    def install(error):
        (tmp_path / "tensorrt").mkdir()
        (tmp_path / "tensorrt" / "__init__.py").write_text(f"raise {error!r}")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(cuda, "gpu", lambda: cuda.Gpu(name="NVIDIA Imaginary", capability=(9, 0), driver=13000))
        tensorrt._library.cache_clear()

    return install


@pytest.mark.parametrize("error", [ImportError("no libnvinfer.so.10"), OSError("no libnvinfer.so.10")], ids=repr)
def test_auto_on_a_gpu_whose_tensorrt_cannot_be_imported_says_so(machine, broken, error):
    machine(gpu=True)
    broken(error)
    choice = selection.choose(EngineSpec())
    assert choice.backend == "openvino"
    assert "`tensorrt` is installed but cannot be loaded: no libnvinfer.so.10; reinstall it or" in choice.reason


@pytest.mark.parametrize(
    ("backend", "sentence"),
    [
        ("openvino", r"`openvino`, which is not installed; install `hybrid-diffusion\[openvino\]`"),
        ("onnxruntime", r"`onnxruntime`, which is not installed; install `hybrid-diffusion\[onnxruntime\]`"),
        ("tensorrt", r"`tensorrt` or `tensorrt_rtx`, which is not installed; install .* or .*\[tensorrt-rtx\]`"),
        ("eager", r"`diffusers`, which is not installed; install `hybrid-diffusion\[engines\]`"),
    ],
)
def test_a_backend_that_is_not_installed_says_what_to_install(machine, backend, sentence):
    machine(installed=())
    with pytest.raises(BackendUnavailable, match=sentence):
        selection.choose(EngineSpec(backend=backend))


def test_an_unknown_backend_lists_the_known(machine):
    machine()
    with pytest.raises(BackendUnavailable, match="choose from `auto`, `tensorrt`, `openvino`, `onnxruntime`, `eager`"):
        selection.choose(EngineSpec(backend="coreml"))


def test_bf16_without_the_instructions_is_refused_in_a_sentence(machine, monkeypatch):
    machine()
    monkeypatch.setattr(cpu, "has_bf16", lambda: False)
    with pytest.raises(BackendUnavailable, match="`bf16` needs a CPU with AVX-512 BF16 or AMX"):
        selection.choose(EngineSpec(backend="openvino", precision="bf16"))


@pytest.mark.parametrize(
    ("backend", "precision", "known"),
    [("eager", "bf16", "`f32`"), ("onnxruntime", "bf16", "`f32`"), ("openvino", "f16", "`f32`, `bf16`")],
)
def test_a_precision_that_a_backend_lacks_is_refused(machine, backend, precision, known):
    machine()
    with pytest.raises(BackendUnavailable, match=f"`{backend}` has no precision `{precision}`; it has {known}"):
        selection.choose(EngineSpec(backend=backend, precision=precision))


@pytest.mark.parametrize(("backend", "graph"), [("onnxruntime", "static"), ("tensorrt", "dynamic")])
def test_a_graph_that_a_backend_lacks_is_refused(machine, backend, graph):
    machine()
    with pytest.raises(BackendUnavailable, match=f"`{backend}` has no graph `{graph}`; it has"):
        selection.choose(EngineSpec(backend=backend, graph=graph))


@pytest.mark.parametrize("sizes", [(), (0, 1), (2, 1), (1, 1), (-1,)])
def test_batch_sizes_are_positive_and_ascending(sizes):
    with pytest.raises(EngineError, match="must be positive, ascending"):
        EngineSpec(batch_sizes=sizes)


def test_no_threads_are_refused():
    with pytest.raises(EngineError, match="0 threads"):
        EngineSpec(threads=0)
