"""What only OpenVINO does: bf16, fewer threads than asked for, a decoder that stays in range."""

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


@pytest.mark.skipif(cpu.usable_threads() < 2, reason="this process may run on one processor")
def test_two_threads_are_batch_invariant_too(engine_store):
    assert ensure("small", "unet", cache=engine_store, spec=replace(SPEC, threads=2)).is_batch_invariant
