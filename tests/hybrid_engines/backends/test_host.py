"""The built-in pair on every CPU backend against eager float32, and the bits of its rows over batches."""

from dataclasses import replace

import numpy as np
import pytest

from hybrid_engines import build, models, probe
from hybrid_engines.spec import EngineSpec

for package in ("openvino", "onnxruntime"):
    pytest.importorskip(package)

SPECS = {
    "openvino": EngineSpec(backend="openvino", precision="f32", threads=1),
    "openvino-static": EngineSpec(backend="openvino", precision="f32", threads=1, graph="static"),
    "onnxruntime": EngineSpec(backend="onnxruntime", precision="f32", threads=1),
}
NETWORKS = [("large", "unet"), ("small", "unet"), ("large", "text_encoder"), ("large", "decoder")]
CASES = [(backend, *network) for backend in SPECS for network in NETWORKS]
SIZE = (64, 64)
PIXEL = 2 / 255
"""One of 255 steps, where pixels go from -1 to 1."""


@pytest.fixture(scope="module")
def expected():
    """Sixteen different rows for each network, and what eager torch answers."""
    from hybrid_engines import networks, reference

    found = {}
    for name, component in NETWORKS:
        model = models.open_model(f"builtin://shapes/{name}")
        signature = model.signature(component, size=SIZE)
        rows = probe.question(signature, rows=16, vocabulary=int(model.text_encoder.setting("vocab_size")))
        found[name, component] = rows, reference.answer(networks.load(model, component), rows)
    return found


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request, engine_store, expected):
    """An engine, sixteen different rows for it, and their reference answers."""
    backend, name, component = request.param
    model = models.open_model(f"builtin://shapes/{name}")
    engine = build.ensure(model, component, spec=SPECS[backend], size=SIZE, cache=engine_store)
    return engine, *expected[name, component]


def take(rows, order):
    return {name: array[order] for name, array in rows.items()}


@pytest.mark.parametrize("count", [1, 2, 3, 8, 16])
def test_answers_are_those_of_eager_torch(case, count):
    engine, rows, expected = case
    given = probe.ask(engine, take(rows, slice(count)))
    assert given.dtype == np.float32
    assert np.max(np.abs(given - expected[:count])) <= (PIXEL if engine.signature.network == "decoder" else 1e-4)


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
    assert engine.buckets == SPECS["openvino"].batch_sizes


def test_facts_were_counted_and_measured(case):
    engine, _, _ = case
    assert 0 < engine.facts.macs <= engine.facts.macs_with_attention
    assert engine.facts.parameters > 0
    assert set(engine.facts.milliseconds) == set(SPECS["openvino"].batch_sizes)
    assert all(time > 0 for time in engine.facts.milliseconds.values())


@pytest.fixture(scope="module")
def small(engine_store):
    """The small U-Net, built as asked."""

    def build_it(spec):
        model = models.open_model("builtin://shapes/small")
        return build.ensure(model, "unet", spec=spec, size=SIZE, cache=engine_store)

    return build_it


@pytest.mark.full
@pytest.mark.parametrize(
    ("backend", "changes"),
    [("openvino", {"threads": 2}), ("openvino", {"graph": "static"}), ("onnxruntime", {"threads": 2})],
    ids=str,
)
def test_wherever_the_bytes_may_differ_the_domain_does(small, backend, changes):
    spec = replace(SPECS[backend], batch_sizes=(1, 4))
    one, other = small(spec), small(replace(spec, **changes))
    assert other.domain.digest() != one.domain.digest()
    for bucket in set(one.buckets) & set(other.buckets):
        asked = probe.question(one.signature, rows=bucket, vocabulary=10)
        difference = np.max(np.abs(probe.ask(one, asked, bucket=bucket) - probe.ask(other, asked, bucket=bucket)))
        assert difference <= 1e-4


def test_two_backends_are_never_in_one_domain(small):
    specs = [replace(spec, batch_sizes=(1, 4)) for spec in SPECS.values()]
    assert len({small(spec).domain.digest() for spec in specs}) == len(specs)


def test_a_batch_beyond_the_largest_bucket_is_refused_in_a_sentence(small):
    from hybrid_engines.spec import CallRefused

    engine = small(replace(SPECS["onnxruntime"], batch_sizes=(1, 4)))
    asked = probe.question(engine.signature, rows=5, vocabulary=10)
    arrays = {name: asked[name] for name in ("sample", "level")}
    with pytest.raises(CallRefused, match="5 rows do not fit a bucket of 4; give 1 to 4"):
        engine(arrays, bucket=4, slots=range(5))
