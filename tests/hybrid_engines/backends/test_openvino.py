"""The built-in pair on OpenVINO against eager float32, and the bits of its rows over batches."""

from dataclasses import replace

import numpy as np
import pytest

from hybrid_engines import build, cpu, models, probe
from hybrid_engines.spec import BackendUnavailable, EngineSpec

pytest.importorskip("openvino")

SPEC = EngineSpec(backend="openvino", precision="f32", threads=1)
NETWORKS = [("large", "unet"), ("small", "unet"), ("large", "text_encoder"), ("large", "decoder")]
SIZE = (64, 64)


@pytest.fixture(scope="module")
def engines(engine_store):
    """The four networks of the pair, compiled."""

    def ensure(name, component):
        model = models.open_model(f"builtin://shapes/{name}")
        return build.ensure(model, component, spec=SPEC, size=SIZE, cache=engine_store)

    return {key: ensure(*key) for key in NETWORKS}


@pytest.fixture(scope="module", params=NETWORKS, ids="-".join)
def case(request, engines):
    """An engine, sixteen different rows for it, and their reference answers."""
    from hybrid_engines import networks, reference

    model = models.open_model(f"builtin://shapes/{request.param[0]}")
    engine = engines[request.param]
    rows = probe.question(engine.signature, rows=16, vocabulary=int(model.text_encoder.config["vocab_size"]))
    return engine, rows, reference.answer(networks.load(model, request.param[1]), rows)


def take(rows, order):
    return {name: array[order] for name, array in rows.items()}


@pytest.mark.parametrize("count", [1, 2, 3, 8, 16])
def test_answers_are_those_of_eager_torch(case, count):
    engine, rows, expected = case
    given = probe.ask(engine, take(rows, slice(count)))
    assert given.dtype == np.float32
    assert np.max(np.abs(given - expected[:count])) <= 1e-4


def test_each_row_alone_and_in_any_bucket_has_the_same_bits(case):
    """Levels differ from row to row, so this also says that mixed levels in one call equal separate calls."""
    engine, rows, _ = case
    together = probe.ask(engine, rows)
    for bucket in engine.buckets:
        for row in (0, 5, 15):
            alone = probe.ask(engine, take(rows, [row]), bucket=bucket)
            assert np.array_equal(alone[0], together[row]), f"row {row} in bucket {bucket}"


def test_permuted_rows_have_the_same_bits(case):
    engine, rows, _ = case
    together = probe.ask(engine, rows)
    order = np.random.default_rng(5).permutation(16)
    assert np.array_equal(probe.ask(engine, take(rows, order)), together[order])


@pytest.mark.parametrize("count", [3, 5, 7, 11])
def test_padded_rows_have_the_same_bits(case, count):
    engine, rows, _ = case
    together = probe.ask(engine, rows)
    assert np.array_equal(probe.ask(engine, take(rows, slice(count))), together[:count])


def test_the_build_proved_the_invariance(case):
    engine, _, _ = case
    assert engine.is_batch_invariant
    assert engine.domain.bucket is None
    assert engine.buckets == SPEC.batch_sizes


def test_facts_were_counted_and_measured(case):
    engine, _, _ = case
    assert 0 < engine.facts.macs <= engine.facts.macs_with_attention
    assert engine.facts.parameters > 0
    assert set(engine.facts.milliseconds) == set(SPEC.batch_sizes)
    assert all(time > 0 for time in engine.facts.milliseconds.values())


def test_the_decoder_stays_in_range(engines):
    decoder = engines["large", "decoder"]
    loud = {"sample": np.full((1, 8, 8, 8), 50.0, dtype=np.float32)}
    assert np.abs(decoder(loud, bucket=1)["output"]).max() <= 1.0


def test_more_threads_than_processors_are_refused_before_anything_is_built(tmp_path, monkeypatch):
    """OpenVINO would silently take fewer, and the bits would be others than the domain says."""
    monkeypatch.setattr(cpu, "usable_threads", lambda: 1)
    model = models.open_model("builtin://shapes/large")
    spec = EngineSpec(backend="openvino", threads=2)
    with pytest.raises(BackendUnavailable, match="can run 1 of the 2 threads"):
        build.ensure(model, "text_encoder", spec=spec, size=SIZE, cache=tmp_path)
    assert not list((tmp_path / ".building").iterdir())


@pytest.mark.skipif(not cpu.has_bf16(), reason="this CPU has no bf16")
def test_bf16_is_near_eager_and_another_domain(engines, engine_store):
    model = models.open_model("builtin://shapes/small")
    spec = replace(SPEC, precision="bf16")
    engine = build.ensure(model, "unet", spec=spec, size=SIZE, cache=engine_store)
    exact = engines["small", "unet"]
    asked = probe.question(exact.signature, rows=4, vocabulary=10)
    answer = probe.ask(exact, asked)
    difference = np.max(np.abs(probe.ask(engine, asked) - answer)) / np.max(np.abs(answer))
    assert 1e-5 < difference < 0.1
    assert engine.domain.precision == "bf16"
    assert engine.domain.digest() != exact.domain.digest()


@pytest.mark.skipif(cpu.usable_threads() < 2, reason="this process may run on one processor")
def test_two_threads_are_another_domain_and_within_tolerance(engines, engine_store):
    model = models.open_model("builtin://shapes/small")
    engine = build.ensure(model, "unet", spec=replace(SPEC, threads=2), size=SIZE, cache=engine_store)
    one = engines["small", "unet"]
    asked = probe.question(one.signature, rows=4, vocabulary=10)
    assert np.max(np.abs(probe.ask(engine, asked) - probe.ask(one, asked))) <= 1e-4
    assert engine.domain.digest() != one.domain.digest()
    assert engine.is_batch_invariant
