"""What only OpenVINO does: bf16, fewer threads than asked for, a decoder that stays in range."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from hybrid_engines import build, cpu, models, probe
from hybrid_engines.spec import BackendUnavailable, EngineSpec

pytest.importorskip("openvino")

SPEC = EngineSpec(backend="openvino", precision="f32", threads=1)
SIZE = (64, 64)


def ensure(name, component, *, cache, spec=SPEC):
    return build.ensure(models.open_model(f"builtin://shapes/{name}"), component, spec=spec, size=SIZE, cache=cache)


def test_the_decoder_stays_in_range(engine_store):
    decoder = ensure("large", "decoder", cache=engine_store)
    loud = {"sample": np.full((1, 8, 8, 8), 50.0, dtype=np.float32)}
    assert np.abs(decoder(loud, bucket=1)["output"]).max() <= 1.0


def test_more_threads_than_processors_are_refused_before_anything_is_built(tmp_path, monkeypatch):
    """OpenVINO would silently take fewer, and the bits would be others than the domain says."""
    monkeypatch.setattr(cpu, "usable_threads", lambda: 1)
    with pytest.raises(BackendUnavailable, match="can run 1 of the 2 threads"):
        ensure("large", "text_encoder", cache=tmp_path, spec=replace(SPEC, threads=2))
    assert not list((tmp_path / ".building").iterdir())


@pytest.mark.hardware
@pytest.mark.skipif(not cpu.has_bf16(), reason="this CPU has no bf16")
def test_bf16_is_near_eager_and_another_domain(engine_store):
    engine = ensure("small", "unet", cache=engine_store, spec=replace(SPEC, precision="bf16"))
    exact = ensure("small", "unet", cache=engine_store)
    asked = probe.question(exact.signature, rows=4, vocabulary=10)
    answer = probe.ask(exact, asked)
    difference = np.max(np.abs(probe.ask(engine, asked) - answer)) / np.max(np.abs(answer))
    assert 1e-5 < difference < 0.1
    assert engine.domain.precision == "bf16"
    assert engine.domain.digest() != exact.domain.digest()


CAPPED = """
import hashlib, sys
from pathlib import Path
from hybrid_engines import build, models, probe
from hybrid_engines.spec import EngineSpec

model = models.open_model("builtin://shapes/large")
spec = EngineSpec(backend="openvino", precision="f32", threads=1)
engine = build.ensure(model, "text_encoder", spec=spec, size=(64, 64), cache=Path(sys.argv[1]))
asked = probe.question(engine.signature, rows=3, vocabulary=20)
print(engine.domain.digest(), hashlib.sha256(probe.ask(engine, asked).tobytes()).hexdigest())
"""


def in_a_process_capped_to(instruction_set, *arguments):
    """OpenVINO reads the cap once, when a process begins to compute."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": instruction_set},
    )


@pytest.mark.full
def test_fewer_instructions_are_another_domain(engine_store):
    found = dict(
        in_a_process_capped_to(cap, "-c", CAPPED, str(engine_store)).stdout.split() for cap in ("DEFAULT", "AVX2")
    )
    assert len(found) == 2, "one domain for two instruction sets"
    if cpu.instruction_set().startswith("avx512"):
        assert len(set(found.values())) == 2, "the cap did nothing, so this test shows nothing"


def test_bf16_under_a_cap_that_forbids_it_is_one_sentence(tmp_path):
    build_it = ("-m", "hybrid_engines", "build", "builtin://shapes/large", "--component", "text_encoder")
    options = ("--backend", "openvino", "--precision", "bf16", "--cache", str(tmp_path))
    done = in_a_process_capped_to("AVX2", *build_it, *options)
    assert done.returncode == 1
    assert done.stderr.strip().startswith("Precision `bf16` needs a CPU with AVX-512 BF16 or AMX; this one has")
    assert "\n" not in done.stderr.strip()
    assert list(tmp_path.iterdir()) == []


def test_what_openvino_cannot_compile_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    """Forced: the same bf16 under the same cap, with the check in front of it off."""
    forced = "from hybrid_engines import cpu; cpu.has_bf16 = lambda: True; from hybrid_engines import __main__ as m; "
    arguments = ["build", "builtin://shapes/large", "--component", "text_encoder", "--backend", "openvino"]
    arguments += ["--precision", "bf16", "--cache", str(tmp_path)]
    done = in_a_process_capped_to("AVX2", "-c", f"{forced}raise SystemExit(m.main({arguments!r}))")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("OpenVINO cannot compile `text_encoder` in bf16: ")
    assert "Traceback" not in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


@pytest.mark.hardware
@pytest.mark.skipif(cpu.usable_threads() < 2, reason="this process may run on one processor")
def test_two_threads_are_batch_invariant_too(engine_store):
    assert ensure("small", "unet", cache=engine_store, spec=replace(SPEC, threads=2)).is_batch_invariant
