import numpy as np
import pytest

from hybrid_engines.spec import CallRefused


def held(engine, count):
    for slot in range(count):
        engine.hold(slot, {"text": np.full(2, 100.0 * slot, dtype=np.float32)})
    return tuple(range(count))


def test_a_bucket_that_was_not_built_is_refused(make_engine, rows):
    engine = make_engine()
    with pytest.raises(CallRefused, match="No bucket of 3 rows; this engine has 1, 2, 4"):
        engine(rows(3), bucket=3, slots=held(engine, 3))


def test_more_rows_than_the_bucket_are_refused(make_engine, rows):
    engine = make_engine()
    with pytest.raises(CallRefused, match="3 rows do not fit a bucket of 2"):
        engine(rows(3), bucket=2, slots=held(engine, 3))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_each_row_needs_its_slot(make_engine, rows, count):
    engine = make_engine()
    held(engine, 3)
    with pytest.raises(CallRefused, match=f"{count} slots for 2 rows"):
        engine(rows(2), bucket=2, slots=tuple(range(count)))


def test_an_empty_slot_is_named(make_engine, rows):
    with pytest.raises(CallRefused, match="Slot 5 holds nothing"):
        make_engine()(rows(1), bucket=1, slots=(5,))


def test_a_dropped_slot_is_empty_and_dropping_it_again_is_nothing(make_engine, rows):
    engine = make_engine()
    held(engine, 1)
    engine(rows(1), bucket=1, slots=(0,))
    engine.drop(0)
    engine.drop(0)
    with pytest.raises(CallRefused, match="Slot 0"):
        engine(rows(1), bucket=1, slots=(0,))


def test_a_missing_array_is_named(make_engine, rows):
    engine = make_engine()
    with pytest.raises(CallRefused, match="`level` is missing"):
        engine({"sample": rows(1)["sample"]}, bucket=1, slots=held(engine, 1))


def test_a_wrong_shape_is_refused_rather_than_broadcast(make_engine, rows):
    engine = make_engine()
    arrays = rows(2) | {"level": np.zeros((1,), dtype=np.float32)}
    with pytest.raises(CallRefused, match=r"`level` has shape \(1,\), expected \(2,\)"):
        engine(arrays, bucket=2, slots=held(engine, 2))


def test_conditioning_of_a_wrong_shape_is_refused(make_engine):
    with pytest.raises(CallRefused, match="`text` has shape"):
        make_engine().hold(0, {"text": np.zeros((1, 2), dtype=np.float32)})


def test_rows_get_the_conditioning_of_their_slots_in_any_order(make_engine, rows):
    engine = make_engine()
    held(engine, 3)
    output = engine(rows(2), bucket=4, slots=(2, 0))["output"]
    assert output.tolist() == [[211.0, 211.0], [22.0, 22.0]]


def test_padding_is_cut_off(make_engine, rows):
    engine = make_engine()
    assert engine(rows(3), bucket=4, slots=held(engine, 3))["output"].shape == (3, 2)


def test_padding_does_not_depend_on_earlier_calls(make_engine, rows):
    """The leak shows what lies in the padding rows."""
    fresh, used = make_engine(leak=1.0), make_engine(leak=1.0)
    for engine in (fresh, used):
        held(engine, 4)
    used({k: 1000 * v for k, v in rows(4).items()}, bucket=4, slots=(0, 1, 2, 3))
    expected = fresh(rows(2), bucket=4, slots=(0, 1))["output"]
    assert np.array_equal(used(rows(2), bucket=4, slots=(0, 1))["output"], expected)


def test_a_slot_that_is_held_anew_is_seen_in_every_bucket(make_engine, rows):
    engine = make_engine()
    held(engine, 1)
    for bucket in engine.buckets:
        engine(rows(1), bucket=bucket, slots=(0,))
    engine.hold(0, {"text": np.full(2, 7.0, dtype=np.float32)})
    for bucket in engine.buckets:
        assert engine(rows(1), bucket=bucket, slots=(0,))["output"].tolist() == [[18.0, 18.0]]


def test_holding_copies_so_that_the_caller_may_reuse_its_array(make_engine, rows):
    engine = make_engine()
    mine = np.ones(2, dtype=np.float32)
    engine.hold(0, {"text": mine})
    mine[:] = 50.0
    assert engine(rows(1), bucket=1, slots=(0,))["output"].tolist() == [[12.0, 12.0]]
