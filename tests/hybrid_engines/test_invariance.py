from hybrid_engines import invariance, probe


def test_an_engine_whose_rows_leak_into_each_other_is_not_proven(make_engine):
    assert not invariance.is_proven(make_engine(leak=1e-3), vocabulary=10)


def test_an_engine_whose_rows_are_independent_is_proven(make_engine):
    assert invariance.is_proven(make_engine(), vocabulary=10)


def test_an_engine_without_a_bucket_of_one_can_be_proven(make_engine):
    assert invariance.is_proven(make_engine(buckets=(2, 8)), vocabulary=10)


def test_the_bucket_that_is_kept_is_the_smallest_that_is_not_wasteful():
    assert invariance.fixed_bucket({1: 40.0, 2: 54.0, 4: 67.0, 8: 105.0, 16: 260.0}) == 4
    assert invariance.fixed_bucket({1: 10.0, 2: 20.0}) == 1


def test_the_bucket_that_is_kept_has_room_for_rows_that_belong_together_where_one_has():
    assert invariance.fixed_bucket({1: 10.0, 2: 20.0, 4: 40.0}, together=2) == 2
    assert invariance.fixed_bucket({1: 10.0, 2: 100.0, 4: 120.0}, together=2) == 4
    assert invariance.fixed_bucket({1: 10.0}, together=2) == 1


def test_asking_for_more_rows_than_the_largest_bucket_takes_several_calls(make_engine):
    engine = make_engine(buckets=(1,))
    asked = probe.question(engine.signature, rows=3, vocabulary=10)
    assert probe.ask(engine, asked).shape == (3, 2)


def test_every_bucket_is_measured(make_engine):
    found = probe.measure(make_engine(), vocabulary=10, seconds=0.01, rounds=1)
    assert set(found) == {1, 2, 4}
