import pytest

from hybrid_api.scalars import Share
from hybrid_api.segments import Steps
from hybrid_serving import sampler, split
from hybrid_serving.cloud.ingress import planning
from hybrid_serving.cloud.ingress.errors import ApiError
from hybrid_serving.cloud.ingress.planning import Outlook

SCHEDULE = sampler.Schedule(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction="v_prediction"
)
CURVE = ((0.0, 0.9), (500.0, 0.88), (999.0, 0.5))


def share(percent: int) -> Steps:
    return Steps(value=Share(percent=percent))


def between(low: int, high: int) -> Steps:
    return Steps(min=Share(percent=low), max=Share(percent=high))


def outlook(
    *, steps: int = 20, curve: planning.Curve = CURVE, cloud: split.Cloud | None = None, device=None
) -> Outlook:
    return Outlook(
        table=sampler.compile_table(SCHEDULE, sampler="ddim", steps=steps),
        curve=curve,
        cloud=lambda: cloud or split.Cloud(seconds_per_large_step=0.1, seconds_per_small_step=0.01),
        deadline_seconds=60.0,
        device=device,
    )


@pytest.mark.parametrize(("asked", "step"), [(0, 0), (20, 20), ("0%", 0), ("100%", 20), ("33%", 7), (7, 7)])
def test_what_is_asked_for_is_done(asked, step) -> None:
    assert planning.plan(asked, shares=[share(40)], outlook=outlook()).stops == (step,)


def test_more_steps_than_there_are_cannot_be_asked_for() -> None:
    with pytest.raises(ApiError, match="from 0 to 20") as refused:
        planning.plan(21, shares=[share(40)], outlook=outlook())
    assert refused.value.param == "split"


def test_a_pinned_share_is_rounded_to_steps() -> None:
    plan = planning.plan(None, shares=[share(40)], outlook=outlook(steps=9))
    assert plan == planning.Plan((4,), "pinned to 4 of 9 steps")


def test_later_segments_keep_their_share_and_never_pass_the_end() -> None:
    assert planning.plan(None, shares=[share(40), share(40)], outlook=outlook()).stops == (8, 16)
    assert planning.plan("90%", shares=[share(40), share(40)], outlook=outlook()).stops == (18, 20)


def test_one_segment_has_no_stops() -> None:
    assert planning.plan(None, shares=[], outlook=outlook()).stops == ()


def test_in_a_range_the_cheapest_step_of_good_quality_is_chosen() -> None:
    plan = planning.plan(None, shares=[between(10, 80)], outlook=outlook())
    (stop,) = plan.stops
    assert 2 < stop < 16
    quality = split.Quality.from_curve(
        CURVE, levels=[outlook().table.boundary(step) for step in range(21)], floor=0.0
    ).by_step
    assert quality[stop] >= quality[20] - planning.QUALITY_TOLERANCE > quality[stop - 1]
    assert "quality" in plan.reason


@pytest.mark.parametrize(("curve", "reason"), [((), "no measured quality curve"), (((0.0, 1.0), (10.0, 0.1)), "floor")])
def test_where_quality_is_unknown_or_too_low_the_most_steps_are_taken(curve, reason) -> None:
    plan = planning.plan(None, shares=[between(10, 50)], outlook=outlook(curve=curve))
    assert plan.stops == (10,)
    assert reason in plan.reason


def test_before_anything_was_measured_the_most_steps_are_taken() -> None:
    unknown = Outlook(table=outlook().table, curve=CURVE, cloud=lambda: None, deadline_seconds=60.0)
    plan = planning.plan(None, shares=[between(10, 50)], outlook=unknown)
    assert (plan.stops, plan.reason.split(",")[0]) == ((10,), "no engine was measured yet")


def test_a_slow_device_is_left_fewer_steps() -> None:
    fast, slow = (
        planning.plan(
            None,
            shares=[between(10, 100)],
            outlook=outlook(device=split.Device(seconds_per_step=seconds)),
        ).stops[0]
        for seconds in (0.01, 20.0)
    )
    assert fast < slow


def test_the_widest_plan_is_every_share_in_full() -> None:
    assert planning.widest([share(40), between(10, 30)], steps=20) == (8, 14)
