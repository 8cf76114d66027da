"""TensorRT plans of the built-in pair, really compiled; they run only where a GPU is, and say so."""

import subprocess
import sys

import numpy as np
import pytest

from hybrid_engines import __main__ as command
from hybrid_engines import admission, build, examination, models, probe
from hybrid_engines.cache import Cache
from hybrid_engines.spec import BackendUnavailable, EngineError, EngineSpec

pytest.importorskip("tensorrt_rtx")
from hybrid_engines.backends import profiles, tensorrt

NETWORKS = [("large", "unet"), ("small", "unet"), ("large", "text_encoder"), ("large", "decoder")]
SPEC = EngineSpec(backend="tensorrt")
SIZE = (64, 64)


def can_run():
    try:
        tensorrt.device()
    except BackendUnavailable:
        return False
    return True


def model_of(name):
    return models.open_model(f"builtin://shapes/{name}")


@pytest.fixture(scope="module", params=NETWORKS, ids="-".join)
def case(request, engine_store):
    """A network of the pair: its plan as wanted, and the entry with the compiled one."""
    name, component = request.param
    prepared = build.prepare(model_of(name), component, spec=SPEC, size=SIZE, cache=engine_store)
    return prepared.plan, prepared.entry


@pytest.mark.component
def test_a_plan_has_the_networks_arrays_with_their_dtypes(case):
    wanted, entry = case
    ports = (*wanted.signature.inputs, *wanted.signature.outputs)
    assert profiles.read(entry.folder).dtypes == {port.name: port.dtype for port in ports}


@pytest.mark.component
def test_a_plan_has_one_static_profile_for_each_of_the_five_buckets(case):
    wanted, entry = case
    expected = [{port.name: (rows, *port.shape) for port in wanted.signature.inputs} for rows in (1, 2, 4, 8, 16)]
    assert list(profiles.read(entry.folder).profiles) == expected


@pytest.mark.component
def test_a_plan_is_a_file_of_this_version_and_nothing_of_its_making_is_left(case):
    _, entry = case
    assert {path.name for path in entry.folder.iterdir()} - {"devices"} == {
        "manifest.json",
        "network.plan",
        "probe.safetensors",
        "profiles.json",
    }
    assert (entry.folder / tensorrt.FILE).stat().st_size > 1e6


@pytest.mark.component
def test_its_key_names_library_version_capabilities_and_buckets(case):
    wanted, _ = case
    ingredients = wanted.ingredients()
    assert ingredients["backend"] == tensorrt.version()
    assert ingredients["instruction_set"].split() == list(tensorrt.supported())
    assert (ingredients["graph"], ingredients["precision"], ingredients["threads"]) == ("static", "f16", 0)
    assert ingredients["batch_sizes"] == [1, 2, 4, 8, 16]


@pytest.mark.component
@pytest.mark.hardware
@pytest.mark.skipif(can_run(), reason="there is a GPU that runs it")
def test_without_a_gpu_a_plan_is_not_verified_and_loading_it_says_why(case, engine_store):
    wanted, entry = case
    assert examination.read_all(entry.folder) == ()
    with pytest.raises(BackendUnavailable, match="No NVIDIA GPU can be used here"):
        build.load(wanted.model, wanted.component, spec=SPEC, size=SIZE, cache=engine_store)
    assert admission.read(wanted, store=Cache(engine_store)) is not None, "the plan was blamed for the machine"


@pytest.mark.component
@pytest.mark.hardware
@pytest.mark.skipif(can_run(), reason="there is a GPU that runs it")
def test_a_build_job_reports_that_the_plan_is_unverified(case, engine_store, tmp_path):
    wanted, _ = case
    options = ["--component", wanted.component, "--backend", "tensorrt", "--cache", str(engine_store)]
    assert command.main(["build", wanted.model.uri, *options, "--report", str(tmp_path / "report")]) == 0
    assert (tmp_path / "report").read_text() == (
        f"{wanted.component} 64x64: found, {tensorrt.version()}, f16, unverified, as no device here can run it"
    )


@pytest.mark.hardware
@pytest.mark.skipif(can_run(), reason="there is a GPU that runs it")
def test_without_a_gpu_nothing_is_built_that_could_not_be_returned(tmp_path):
    with pytest.raises(BackendUnavailable, match="No NVIDIA GPU"):
        build.ensure(model_of("small"), "unet", spec=SPEC, size=SIZE, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


AGAIN = """
import sys, time
from pathlib import Path
from hybrid_engines import build, models, spec
import hybrid_engines.backends.tensorrt
begin = time.perf_counter()
model = models.open_model(sys.argv[1])
told = []
build.prepare(model, sys.argv[2], spec=spec.EngineSpec(backend="tensorrt"), size=(64, 64), cache=Path(sys.argv[3]),
              progress=told.append)
print(f"{model.name} {sys.argv[2]}: a hit took {time.perf_counter() - begin:.3f} s")
print(sorted({"torch", "diffusers", "transformers", "onnx"} & set(sys.modules)), told)
"""


@pytest.mark.component
def test_a_second_call_in_another_process_builds_nothing_and_imports_no_framework(case, engine_store, capsys):
    wanted, _ = case
    arguments = [sys.executable, "-c", AGAIN, wanted.model.uri, wanted.component, str(engine_store)]
    result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    timing, found = result.stdout.splitlines()
    with capsys.disabled():
        sys.stdout.write(f" [{timing}] ")
    assert found == "[] []"


# Bad input.


@pytest.fixture
def planned():
    return build.plan(model_of("small"), "unet", spec=SPEC, size=SIZE)


def test_a_corrupt_graph_is_refused_in_one_sentence(planned, tmp_path):
    path = tmp_path / "network.onnx"
    path.write_bytes(b"no graph at all")
    with pytest.raises(EngineError, match=r"cannot read the exported graph: .+ Export it again\.$") as raised:
        tensorrt.compile_graph(path, plan=planned, folder=tmp_path)
    assert "\n" not in str(raised.value)
    assert [each.name for each in tmp_path.iterdir()] == ["network.onnx"]


def a_graph(path, *, name="sample", shape=(8, 8, 8)):
    """An ONNX file with one input that is also its output."""
    onnx = pytest.importorskip("onnx")
    from onnx import helper

    kind = onnx.TensorProto.FLOAT
    ports = [helper.make_tensor_value_info(each, kind, ["batch", *shape]) for each in (name, "output")]
    node = helper.make_node("Relu", [name], ["output"])
    graph = helper.make_graph([node], "g", ports[:1], ports[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)


def test_a_graph_with_other_arrays_than_the_networks_is_refused(planned, tmp_path):
    a_graph(tmp_path / "network.onnx")
    with pytest.raises(EngineError, match="has 1 inputs and 1 outputs, expected 3 and 1"):
        tensorrt.compile_graph(tmp_path / "network.onnx", plan=planned, folder=tmp_path)


@pytest.mark.parametrize("changes", [{"name": "x"}, {"shape": (8, 8, 9)}], ids=str)
def test_a_graph_with_other_names_or_shapes_is_refused(tmp_path, changes):
    wanted = build.plan(model_of("large"), "decoder", spec=SPEC, size=SIZE)
    a_graph(tmp_path / "network.onnx", **changes)
    with pytest.raises(EngineError, match="The exported graph has the array"):
        tensorrt.compile_graph(tmp_path / "network.onnx", plan=wanted, folder=tmp_path)


def test_a_gpu_that_the_library_does_not_take_is_named_with_those_that_it_takes(monkeypatch):
    gpu = tensorrt.cuda.Gpu(name="NVIDIA Imaginary", capability=(9, 0), driver=13000)
    monkeypatch.setattr(tensorrt.cuda, "gpu", lambda: gpu)
    with pytest.raises(BackendUnavailable, match=r"does not run on NVIDIA Imaginary \(SM90\); it takes SM75"):
        tensorrt.device()


@pytest.mark.parametrize(
    ("name", "version", "is_taken"),
    [
        ("tensorrt", "8.6.0", False),
        ("tensorrt", "10.11.0.33", False),
        ("tensorrt", "10.12.0.36", True),
        ("tensorrt", "11.4.0.106", True),
        ("tensorrt_rtx", "1.6.0", False),
        ("tensorrt_rtx", "1.10.0", True),
    ],
)
def test_a_version_that_is_too_old_is_refused_in_a_sentence(name, version, is_taken):
    oldest = tensorrt.OLDEST[name]
    if is_taken:
        tensorrt._check_version(name, found=version, oldest=oldest)
        return
    with pytest.raises(BackendUnavailable, match=rf"`{name}` is {version}, engines need .+ or later; upgrade it"):
        tensorrt._check_version(name, found=version, oldest=oldest)


class Context:
    """An execution context that refuses one call."""

    def __init__(self, refused):
        self.refused = refused

    def set_optimization_profile_async(self, profile, stream):
        return self.refused != "profile"

    def set_input_shape(self, name, shape):
        return self.refused != "shape"

    def set_tensor_address(self, name, address):
        return self.refused != "address"


class Deserialized:
    """A plan on a GPU; no GPU is needed to ask it for a context."""

    def __init__(self, context):
        self.context = context

    def create_runtime_config(self):
        return None

    def create_execution_context(self, config):
        return self.context


def a_network(context, *, plan, folder):
    log = tensorrt._log()
    log.log(log.ERROR, "Error Code 2: out of\nmemory.")
    return tensorrt._Network(Deserialized(context), plan=plan, cache=folder, runtime=None, log=log)


def test_a_gpu_that_cannot_hold_a_context_is_to_blame_and_not_the_plan(planned, tmp_path):
    network = a_network(None, plan=planned, folder=tmp_path)
    with pytest.raises(BackendUnavailable, match=r"cannot hold `unet` with 4 rows .+: Error Code 2: out of memory\.$"):
        network.bind({"sample": 1}, rows=4, stream=0)


@pytest.fixture
def loaded(planned, tmp_path, monkeypatch):
    """Load a plan that TensorRT refuses after it has logged `errors`; no GPU is needed to be refused."""

    def load(*errors):
        class Runtime:
            def __init__(self, log):
                self.log = log

            def deserialize_cuda_engine(self, data):
                for error in errors:
                    self.log.log(self.log.ERROR, error)

        monkeypatch.setattr(tensorrt, "device", lambda: "a GPU")
        monkeypatch.setattr(tensorrt._library(), "Runtime", Runtime)
        (tmp_path / tensorrt.FILE).write_bytes(b"a plan")
        return tensorrt.open_runner(tmp_path, plan=planned)

    return load


@pytest.mark.parametrize(
    "errors",
    [
        ["Error Code 1: Cuda Runtime (out of memory)", "deserializing failed."],
        ["Error Code 2: OutOfMemory (Requested size was 1 bytes.)"],
    ],
    ids=str,
)
def test_a_gpu_that_cannot_hold_the_weights_is_to_blame_and_not_the_plan(loaded, errors):
    with pytest.raises(BackendUnavailable, match=r"cannot hold the weights of `unet` .+: Error Code .+ Free some of"):
        loaded(*errors)


def test_a_plan_that_cannot_be_read_is_to_blame(loaded):
    with pytest.raises(EngineError, match=r"cannot load the plan: Error Code 4: magic tag does not match\.$") as raised:
        loaded("Error Code 4: magic tag does not match.")
    assert not isinstance(raised.value, BackendUnavailable)


@pytest.mark.parametrize(
    ("refused", "what"),
    [("profile", "profile 2"), ("shape", r"shape \(4, 8, 8, 8\) of `sample`"), ("address", "address of `sample`")],
)
def test_what_a_context_does_not_take_is_the_plans_fault(planned, tmp_path, refused, what):
    network = a_network(Context(refused), plan=planned, folder=tmp_path)
    with pytest.raises(EngineError, match=f"does not take the {what} for `unet`: Error Code 2") as raised:
        network.bind({"sample": 1}, rows=4, stream=0)
    assert not isinstance(raised.value, BackendUnavailable)


@pytest.mark.component
@pytest.mark.parametrize(("component", "precision"), [("unet", "bf16"), ("text_encoder", "bf16"), ("unet", "f32")])
def test_other_precisions_become_plans_with_the_same_arrays(component, precision, engine_store):
    spec = EngineSpec(backend="tensorrt", precision=precision, batch_sizes=(1, 2))
    prepared = build.prepare(model_of("small"), component, spec=spec, size=SIZE, cache=engine_store)
    ports = (*prepared.plan.signature.inputs, *prepared.plan.signature.outputs)
    assert profiles.read(prepared.entry.folder).dtypes == {port.name: port.dtype for port in ports}
    assert prepared.plan.precision == precision


# On a GPU.


@pytest.mark.gpu
@pytest.mark.hardware
@pytest.mark.skipif(not can_run(), reason="no GPU here that TensorRT takes")
@pytest.mark.parametrize(("name", "component"), NETWORKS)
def test_on_a_gpu_a_plan_answers_its_probe_in_every_bucket(name, component, engine_store):
    from hybrid_engines import networks, reference

    engine = build.ensure(model_of(name), component, spec=SPEC, size=SIZE, cache=engine_store)
    rows = probe.question(engine.signature, rows=max(engine.buckets), vocabulary=10)
    expected = reference.answer(networks.load(model_of(name), component), rows)
    for bucket in engine.buckets:
        given = probe.ask(engine, {key: value[:bucket] for key, value in rows.items()}, bucket=bucket)
        assert np.max(np.abs(given - expected[:bucket])) <= 2e-2 * max(1.0, np.max(np.abs(expected)))
