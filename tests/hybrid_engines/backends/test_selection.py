import pytest

from hybrid_engines import cpu
from hybrid_engines.backends import selection
from hybrid_engines.spec import BackendUnavailable, EngineError, EngineSpec


@pytest.fixture
def machine(monkeypatch):
    """Choose what the machine is and what is installed."""

    def pretend(architecture="x86_64", installed=("openvino", "eager")):
        monkeypatch.setattr(selection.platform, "machine", lambda: architecture)
        monkeypatch.setattr(selection, "is_installed", lambda name: name in installed)

    return pretend


@pytest.mark.parametrize(
    ("architecture", "installed", "backend", "because"),
    [
        ("x86_64", ("openvino", "eager"), "openvino", "the fastest backend on an x86 CPU"),
        ("AMD64", ("openvino",), "openvino", "the fastest backend on an x86 CPU"),
        ("x86_64", ("eager",), "eager", "openvino is not installed"),
        ("aarch64", ("openvino", "eager"), "eager", "this is aarch64"),
    ],
)
def test_auto_says_what_it_chose_and_why(machine, architecture, installed, backend, because):
    machine(architecture, installed)
    choice = selection.choose(EngineSpec())
    assert (choice.backend, choice.precision) == (backend, "f32")
    assert because in choice.reason


def test_a_backend_that_is_not_installed_says_what_to_install(machine):
    machine(installed=("eager",))
    with pytest.raises(
        BackendUnavailable, match=r"`openvino`, which is not installed; install `hybrid-diffusion\[openvino\]`"
    ):
        selection.choose(EngineSpec(backend="openvino"))


def test_an_unknown_backend_lists_the_known(machine):
    machine()
    with pytest.raises(BackendUnavailable, match="choose from `auto`, `openvino`, `eager`"):
        selection.choose(EngineSpec(backend="tensorrt"))


def test_bf16_without_the_instructions_is_refused_in_a_sentence(machine, monkeypatch):
    machine()
    monkeypatch.setattr(cpu, "has_bf16", lambda: False)
    with pytest.raises(BackendUnavailable, match="`bf16` needs a CPU with AVX-512 BF16 or AMX"):
        selection.choose(EngineSpec(backend="openvino", precision="bf16"))


def test_a_precision_that_a_backend_lacks_is_refused(machine):
    machine()
    with pytest.raises(BackendUnavailable, match="`eager` has no precision `bf16`; it has `f32`"):
        selection.choose(EngineSpec(backend="eager", precision="bf16"))


@pytest.mark.parametrize("sizes", [(), (0, 1), (2, 1), (1, 1), (-1,)])
def test_batch_sizes_are_positive_and_ascending(sizes):
    with pytest.raises(EngineError, match="must be positive, ascending"):
        EngineSpec(batch_sizes=sizes)


def test_no_threads_are_refused():
    with pytest.raises(EngineError, match="0 threads"):
        EngineSpec(threads=0)
