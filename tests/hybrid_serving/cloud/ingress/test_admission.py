import pytest

from hybrid_serving.cloud.ingress.admission import Admission, Limits
from hybrid_serving.cloud.ingress.dispatch import Journey, Leg
from hybrid_serving.cloud.ingress.errors import ApiError

LIMITS = Limits(queue_seconds=10.0, deadline_seconds=60.0)


def journey(*, large: int = 10, steps: int = 25) -> Journey:
    return Journey(rest=(Leg("large", large), Leg("small", steps)))


def admission() -> Admission:
    admission = Admission()
    admission.learn("large", milliseconds={1: 300.0, 4: 400.0})
    admission.learn("small", milliseconds={1: 10.0})
    return admission


def check(admission: Admission, *, images: int = 1, limits: Limits = LIMITS) -> None:
    admission.check(journey(), rows_a_step=2, images=images, limits=limits)


def test_nothing_waits_where_nothing_is_promised() -> None:
    admission().check(journey(large=20_000, steps=20_000), rows_a_step=2, images=4, limits=LIMITS)


def test_before_an_engine_was_measured_nothing_is_refused() -> None:
    unmeasured = Admission()
    with unmeasured.promised(journey(), rows_a_step=10**9):
        check(unmeasured)


def test_a_wait_beyond_the_queue_time_is_refused_until_it_passed() -> None:
    busy = admission()
    with busy.promised(journey(large=50), rows_a_step=2):
        check(busy)
    with busy.promised(journey(large=60), rows_a_step=2), pytest.raises(ApiError) as refused:
        check(busy)
    assert refused.value.status == 429
    assert refused.value.retry_after_seconds == 2
    check(busy)


def test_more_replicas_wait_less() -> None:
    busy = admission()
    busy.replicas["large"] = 2
    with busy.promised(journey(large=60), rows_a_step=2):
        check(busy)


def test_a_segment_scaled_to_zero_counts_as_one_replica() -> None:
    waking = admission()
    waking.replicas["large"] = 0
    with waking.promised(journey(large=50), rows_a_step=2):
        check(waking)


def test_what_could_not_be_done_in_time_is_refused() -> None:
    busy = admission()
    with busy.promised(journey(large=20), rows_a_step=2):
        check(busy, limits=Limits(queue_seconds=10.0, deadline_seconds=10.0))
        with pytest.raises(ApiError):
            check(busy, images=4, limits=Limits(queue_seconds=10.0, deadline_seconds=10.0))


def test_promises_shrink_as_the_journey_goes_on() -> None:
    known = admission()
    way = journey()
    with known.promised(way, rows_a_step=2):
        assert known.promised_rows() == {"large": 20, "small": 30}
        way.position = 4
        assert known.promised_rows() == {"large": 12, "small": 30}
        way.position, way.rest = 10, way.rest[1:]
        assert known.promised_rows() == {"small": 30}
    assert known.promised_rows() == {}
