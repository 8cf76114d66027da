"""The cache cannot lie: whatever is done to it, an engine is right or is built again."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from hybrid_engines import build, cpu, cuda, digests, models, probe, resolve
from hybrid_engines.backends import openvino
from hybrid_engines.cache import MANIFEST
from hybrid_engines.spec import BackendUnavailable, EngineSpec, Stage

SIZE = (16, 16)
DIGEST_LENGTH = 16
KILLS = 20
BLOB = openvino.blob_name(None)
TINY = EngineSpec(backend="openvino", batch_sizes=(1, 2, 4))


def planned(folder, *, component="text_encoder", spec=TINY, size=SIZE):
    return build.plan(models.open_model(folder.as_uri()), component, spec=spec, size=size)


def entry_of(cache):
    (entry,) = (path for path in cache.iterdir() if not path.name.startswith("."))
    return entry


def reason_of(cache, entry):
    return (cache / ".quarantine" / entry.name / "reason.txt").read_text()


def test_guided_rows_belong_together_unless_guidance_is_an_input(tiny):
    components = ("unet", "text_encoder", "decoder")
    rows = [planned(tiny / "large", component=component).rows_together for component in components]
    path = tiny / "large" / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"time_cond_proj_dim": 32}))
    embedding = [planned(tiny / "large", component=component).rows_together for component in components]
    assert (rows, embedding) == ([2, 2, 1], [1, 1, 1])


# --- the key


@pytest.mark.parametrize(
    "changes",
    [
        {"component": "decoder"},
        {"size": (32, 16), "component": "decoder"},
        {"spec": replace(TINY, threads=2)},
        {"spec": replace(TINY, batch_sizes=(1, 2))},
        {"spec": replace(TINY, precision="bf16")},
        {"spec": replace(TINY, graph="static")},
        {"spec": replace(TINY, backend="eager")},
    ],
    ids=str,
)
def test_the_key_changes_with_what_is_wanted(tiny_master, changes, monkeypatch):
    monkeypatch.setattr(cpu, "has_bf16", lambda: True)
    keys = {planned(tiny_master / "large").key(), planned(tiny_master / "large", component="decoder").key()}
    changed = planned(tiny_master / "large", **changes).key()
    assert changed not in keys or changes == {"component": "decoder"}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (cpu, "device_name", "another processor"),
        (cpu, "instruction_set", "avx1024"),
        (openvino, "version", "openvino 9999"),
        (digests, "network_digest", "0" * 64),
        (resolve, "exporter", "0" * 64),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_key_changes_with_machine_versions_weights_and_exporter(tiny_master, monkeypatch, module, name, value):
    before = planned(tiny_master / "large").key()
    monkeypatch.setattr(module, name, lambda *_, **__: value)
    assert planned(tiny_master / "large").key() != before


def test_the_key_does_not_depend_on_where_the_model_lies(tiny, tiny_master):
    assert planned(tiny / "large").key() == planned(tiny_master / "large").key()


# --- hits and misses


def test_a_missing_engine_is_refused_with_the_command_that_builds_it(text_encoder, tmp_path):
    with pytest.raises(build.EngineMissing) as raised:
        text_encoder(build.load, tmp_path)
    assert "it was never built. Run `python -m hybrid_engines build file:///" in str(raised.value)
    assert "--component text_encoder --size 16x16 --backend openvino --precision f32" in str(raised.value)
    assert "--graph dynamic --threads 1 --batch-sizes 1,2,4`" in str(raised.value)


def test_a_hit_builds_nothing(text_encoder, cache):
    engine = text_encoder(build.ensure, cache, progress=lambda stage: pytest.fail(f"was {stage}"))
    assert engine.domain == text_encoder(build.load, cache).domain


def test_a_build_tells_its_stages_in_order(text_encoder, tmp_path):
    stages = []
    text_encoder(build.ensure, tmp_path, progress=stages.append)
    assert stages == [stage for stage in Stage if stage is not Stage.WAIT]


def test_two_loads_are_in_one_domain_and_give_the_same_bits(text_encoder, cache):
    one, other = text_encoder(build.load, cache), text_encoder(build.load, cache)
    asked = probe.question(one.signature, rows=3, vocabulary=20)
    assert one.domain.digest() == other.domain.digest()
    assert np.array_equal(probe.ask(one, asked), probe.ask(other, asked))


@pytest.mark.parametrize("component", ["unet", "decoder"])
def test_a_small_model_is_built_with_its_pairs_parts(tiny_master, tmp_path, component):
    model = models.open_model((tiny_master / "small").as_uri())
    engine = build.ensure(model, component, spec=replace(TINY, batch_sizes=(2,)), size=SIZE, cache=tmp_path)
    assert engine.buckets == (2,)


def test_missing_tensors_are_refused_and_nothing_is_published(tiny, tmp_path):
    import safetensors.numpy

    path = tiny / "large" / "text_encoder" / "model.safetensors"
    tensors = safetensors.numpy.load_file(path)
    tensors.pop(min(tensors))
    safetensors.numpy.save_file(tensors, path, metadata={"format": "pt"})
    model = models.open_model((tiny / "large").as_uri())
    with pytest.raises(models.ModelError, match="lacks 1 of its weights"):
        build.ensure(model, "text_encoder", spec=TINY, size=SIZE, cache=tmp_path / "engines")
    assert [path.name for path in (tmp_path / "engines").iterdir() if not path.name.startswith(".")] == []


# --- spoiled entries


def truncate(entry):
    path = entry / BLOB
    path.write_bytes(path.read_bytes()[:-100])


def flip(entry):
    data = bytearray((entry / BLOB).read_bytes())
    data[len(data) // 2] ^= 1
    (entry / BLOB).write_bytes(data)


def empty(entry):
    shutil.rmtree(entry)
    entry.mkdir()


def flip_manifest(entry):
    path = entry / MANIFEST
    path.write_text(path.read_text().replace('"parameters": ', '"parameters": 1'))


@pytest.mark.parametrize("spoil", [truncate, flip, empty, flip_manifest])
def test_a_spoiled_entry_is_quarantined_and_refused_by_load(text_encoder, cache, spoil):
    entry = entry_of(cache)
    spoil(entry)
    with pytest.raises(build.EngineMissing, match="Run `python -m hybrid_engines build"):
        text_encoder(build.load, cache)
    assert not entry.exists()
    assert reason_of(cache, entry)
    with pytest.raises(build.EngineMissing, match="never built"):
        text_encoder(build.load, cache)


@pytest.mark.parametrize("spoil", [truncate, flip, empty, flip_manifest])
def test_a_spoiled_entry_is_built_again_by_ensure(text_encoder, cache, spoil):
    expected = text_encoder(build.load, cache).domain
    spoil(entry_of(cache))
    stages = []
    assert text_encoder(build.ensure, cache, progress=stages.append).domain == expected
    assert Stage.EXPORT in stages
    assert text_encoder(build.load, cache).domain == expected


def test_an_entry_renamed_to_another_key_is_refused(tiny_master, text_encoder, cache):
    other = planned(tiny_master / "large", spec=replace(TINY, batch_sizes=(1, 2))).key()
    entry_of(cache).rename(cache / other)
    model = models.open_model((tiny_master / "large").as_uri())
    with pytest.raises(
        build.EngineMissing, match=r"made for something else: batch_sizes \[1, 2, 4\] instead of \[1, 2\]"
    ):
        build.load(model, "text_encoder", spec=replace(TINY, batch_sizes=(1, 2)), size=SIZE, cache=cache)


def reseal(entry):
    """Make the manifest agree with whatever the files are now: an attacker, or a tool that meant well."""
    path = entry / MANIFEST
    manifest = digests.unseal(path.read_bytes())
    manifest["files"] = {name: digests.file_digest(entry / name) for name in manifest["files"]}
    path.write_bytes(digests.seal(manifest))


def test_an_engine_with_other_weights_fails_its_probe(text_encoder, cache):
    """Digests in order, but the stored answer is not what the engine gives."""
    entry = entry_of(cache)
    stored = probe.safetensors.numpy.load((entry / probe.FILE).read_bytes())
    reference = stored.pop("reference")
    probe.write(entry, asked=stored, answer=reference + 3e-4)
    reseal(entry)
    with pytest.raises(build.EngineMissing, match=r"off its reference; 0\.000"):
        text_encoder(build.load, cache)
    assert "off its reference" in reason_of(cache, entry)


def test_an_answer_that_is_no_number_fails_the_probe(text_encoder, cache):
    entry = entry_of(cache)
    stored = probe.safetensors.numpy.load((entry / probe.FILE).read_bytes())
    reference = stored.pop("reference")
    reference[0, 0] = np.nan
    probe.write(entry, asked=stored, answer=reference)
    reseal(entry)
    with pytest.raises(build.EngineMissing, match="off its reference"):
        text_encoder(build.load, cache)


def test_a_blob_that_openvino_cannot_read_is_quarantined(text_encoder, cache):
    entry = entry_of(cache)
    (entry / BLOB).write_bytes(b"not a network at all")
    reseal(entry)
    with pytest.raises(build.EngineMissing, match="OpenVINO cannot load"):
        text_encoder(build.load, cache)


def test_an_entry_with_the_digests_of_other_files_is_refused(text_encoder, cache):
    """A foreign entry: sealed by somebody, but not what the key was computed from."""
    entry = entry_of(cache)
    manifest = digests.unseal((entry / MANIFEST).read_bytes())
    manifest["ingredients"]["network"] = "0" * 64
    (entry / MANIFEST).write_bytes(digests.seal(manifest))
    with pytest.raises(build.EngineMissing, match="made for something else: network"):
        text_encoder(build.load, cache)


class WithoutMemory:
    """A runner of a GPU whose memory is full."""

    def bind(self, buffers):
        raise cuda.CudaFailed("`cudaMalloc` says: out of memory.")


@pytest.mark.parametrize(("function", "is_examined"), [(build.load, True), (build.ensure, True), (build.ensure, False)])
def test_a_gpus_own_trouble_leaves_the_engine_where_it_is(text_encoder, cache, monkeypatch, function, is_examined):
    """The entry is good, and may be shared with GPUs that have memory left."""
    if not is_examined:
        forget(cache)
    monkeypatch.setattr(openvino, "open_runner", lambda folder, *, plan: WithoutMemory())
    with pytest.raises(cuda.CudaFailed):
        text_encoder(function, cache)
    assert entry_of(cache).exists()
    assert not (cache / ".quarantine").exists()


@pytest.mark.parametrize(
    "error",
    [RuntimeError("Exception from core.cpp:237:\nstd::bad_alloc\n\n"), RuntimeError("can't alloc"), MemoryError()],
)
def test_a_process_without_memory_leaves_the_engine_where_it_is(text_encoder, cache, monkeypatch, error):
    """What OpenVINO 2026.4 says under `ulimit -v` and `ulimit -d`."""

    def import_model(*_):
        raise error

    monkeypatch.setattr(openvino.ov.Core, "import_model", import_model)
    with pytest.raises(BackendUnavailable, match=r"no memory for `text_encoder` .+; give it more"):
        text_encoder(build.load, cache)
    assert entry_of(cache).exists()
    assert not (cache / ".quarantine").exists()


# --- examinations


def forget(cache):
    """Make the entry one that this device never examined, as if it had been compiled elsewhere."""
    shutil.rmtree(entry_of(cache) / "devices")


def test_an_engine_that_this_device_never_examined_is_not_loaded(text_encoder, cache):
    forget(cache)
    with pytest.raises(build.EngineMissing, match="compiled, but never verified on this device"):
        text_encoder(build.load, cache)
    assert entry_of(cache).exists()


def test_an_engine_that_was_compiled_elsewhere_is_examined_and_not_built_again(text_encoder, cache):
    expected = text_encoder(build.load, cache)
    forget(cache)
    stages = []
    engine = text_encoder(build.ensure, cache, progress=stages.append)
    assert stages == [Stage.PROBE, Stage.MEASURE]
    assert engine.domain == expected.domain
    assert set(engine.facts.milliseconds) == set(TINY.batch_sizes)
    assert text_encoder(build.load, cache).domain == expected.domain


def spoil_examination(cache):
    (path,) = entry_of(cache).glob("devices/*/examination.json")
    path.write_text(path.read_text().replace('"bucket": null', '"bucket": 2'))


def test_a_spoiled_examination_is_not_believed(text_encoder, cache):
    spoil_examination(cache)
    with pytest.raises(build.EngineMissing, match=r"examination .+ cannot be read"):
        text_encoder(build.load, cache)
    assert entry_of(cache).exists()


def test_a_spoiled_examination_is_made_again_and_the_engine_is_not(text_encoder, cache):
    expected = text_encoder(build.load, cache).domain
    spoil_examination(cache)
    stages = []
    assert text_encoder(build.ensure, cache, progress=stages.append).domain == expected
    assert stages == [Stage.PROBE, Stage.MEASURE]
    assert text_encoder(build.load, cache).domain == expected


# --- the disk


def test_too_small_a_disk_is_one_sentence_and_nothing_is_left(text_encoder, tmp_path):
    """On a real file system of 16 kilobytes, where this process may mount one."""
    root = tmp_path / "small"
    root.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", root], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this process may not mount a file system")
    try:
        with pytest.raises(
            build.EngineError, match=r"The disk of the engine cache .+ is full \(\d+ MiB left\); free"
        ) as raised:
            text_encoder(build.ensure, root)
        assert "\n" not in str(raised.value)
        assert list((root / ".building").iterdir()) == []
    finally:
        subprocess.run(["umount", "--lazy", root], check=True)


def test_a_cache_that_is_a_file_is_one_sentence(text_encoder, tmp_path):
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(build.EngineError, match=r"cannot be written .+ name another folder"):
        text_encoder(build.ensure, tmp_path / "cache")


def test_an_examination_that_cannot_be_written_down_is_one_sentence_and_costs_no_engine(text_encoder, cache):
    forget(cache)
    (entry_of(cache) / "devices").write_text("in the way")
    with pytest.raises(build.EngineError, match=r"cannot be written .+ name another folder"):
        text_encoder(build.ensure, cache)
    assert entry_of(cache).exists()
    assert not (cache / ".quarantine").exists()


# --- changing underneath


def test_weights_that_are_replaced_during_a_build_are_refused(tiny, tmp_path):
    """The key was computed from the old ones."""
    model = models.open_model((tiny / "large").as_uri())
    path = tiny / "large" / "text_encoder" / "model.safetensors"

    def replace_weights(stage):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)

    with pytest.raises(models.ModelError, match="was changed while it was read"):
        build.ensure(model, "text_encoder", spec=TINY, size=SIZE, cache=tmp_path / "cache", progress=replace_weights)
    assert [path for path in (tmp_path / "cache").iterdir() if not path.name.startswith(".")] == []


# --- processes

BUILDERS = """
import os, signal, sys
from pathlib import Path
from hybrid_engines import build, builder, models, spec

def say(text):
    os.write(1, f"{os.getpid()} {text}\\n".encode())

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
model = models.open_model(sys.argv[1])
say("ready")
for line in sys.stdin:
    if os.fork() == 0:
        say("begun")
        engine = build.ensure(
            model, "text_encoder", spec=spec.EngineSpec(backend="openvino", batch_sizes=(1, 2, 4)), size=(16, 16),
            cache=Path(line.strip()), progress=lambda stage: say(stage.name),
        )
        say(engine.domain.digest())
        os._exit(0)
"""

WARM = """
import sys, time
from pathlib import Path
begin = time.perf_counter()
from hybrid_engines import build, models, spec
model = models.open_model(sys.argv[1])
engine = build.load(
    model, "text_encoder", spec=spec.EngineSpec(backend="openvino", batch_sizes=(1, 2, 4)), size=(16, 16),
    cache=Path(sys.argv[2]),
)
print(f"warm load took {time.perf_counter() - begin:.2f} s with imports")
print(sorted({"torch", "diffusers", "transformers", "onnx"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def builders(tiny_master, tmp_path_factory):
    """Starts builders, each a process of its own, without importing torch for each."""
    home = tmp_path_factory.mktemp("home")
    process = subprocess.Popen(
        [sys.executable, "-c", BUILDERS, (tiny_master / "large").as_uri()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"HOME": str(home)},
    )
    assert process.stdout.readline().endswith("ready\n")
    yield process
    process.communicate()
    assert list(home.iterdir()) == [], "OpenVINO's usage reporting ran"


def begin(builders, cache):
    builders.stdin.write(f"{cache}\n")
    builders.stdin.flush()


def said(builders):
    """The next line of any builder: its process id and what it says."""
    pid, _, text = builders.stdout.readline().strip().partition(" ")
    return int(pid), text


def test_two_processes_that_want_one_engine_make_one_build(builders, tmp_path):
    begin(builders, tmp_path)
    begin(builders, tmp_path)
    lines = {}
    while sum(len(texts[-1]) == DIGEST_LENGTH for texts in lines.values()) < 2:
        pid, text = said(builders)
        lines.setdefault(pid, []).append(text)
    assert sum(Stage.WEIGHTS.name in texts for texts in lines.values()) == 1
    assert len({texts[-1] for texts in lines.values()}) == 1


def test_a_builder_killed_at_any_moment_leaves_a_cache_that_works(builders, text_encoder, tmp_path):
    """Killed a random while after a stage that it announced, so that the whole build is covered at any speed."""
    moments = random.Random(11)
    stages = [stage.name for stage in Stage if stage is not Stage.WAIT]
    for stage in [stages[moment % len(stages)] for moment in range(KILLS)]:
        begin(builders, tmp_path)
        pid, text = said(builders)
        while text != "begun":  # what is left of the killed ones
            pid, text = said(builders)
        while text != stage and len(text) != DIGEST_LENGTH:
            text = said(builders)[1]
        time.sleep(moments.uniform(0.0, 0.05))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with suppress(build.EngineMissing):
            text_encoder(build.load, tmp_path)
        assert not (tmp_path / ".quarantine").exists(), "a killed build was taken for an engine"
    engine = text_encoder(build.ensure, tmp_path)
    assert engine.domain == text_encoder(build.load, tmp_path).domain
    assert list((tmp_path / ".building").iterdir()) == []


def test_a_warm_load_imports_no_framework(tiny_master, cache, capsys):
    arguments = [sys.executable, "-c", WARM, (tiny_master / "large").as_uri(), str(cache)]
    result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    timing, found = result.stdout.splitlines()
    with capsys.disabled():
        sys.stdout.write(f" [{timing}] ")
    assert found == "[]"


# --- eager


def test_eager_keeps_one_bucket_unless_its_rows_are_proven_independent(tiny_master, tmp_path):
    model = models.open_model((tiny_master / "large").as_uri())
    spec = EngineSpec(backend="eager", batch_sizes=(1, 2, 4))
    engine = build.ensure(model, "unet", spec=spec, size=SIZE, cache=tmp_path)
    assert engine.domain.precision == "f32"
    if engine.is_batch_invariant:
        assert engine.domain.bucket is None
    else:
        assert engine.buckets == (engine.domain.bucket,)
    assert build.load(model, "unet", spec=spec, size=SIZE, cache=tmp_path).domain == engine.domain
