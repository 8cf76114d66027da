"""The planner: refusals first, then its laws, then what it says."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hybrid_serving import split

STEPS = 25
WHOLE = split.Range(minimum=0, maximum=STEPS)
RISING = split.Quality(by_step=[k / STEPS for k in range(STEPS + 1)], floor=0.4)


def a_cloud(**changes: float) -> split.Cloud:
    return replace(split.Cloud(seconds_per_large_step=1.0, seconds_per_small_step=0.25), **changes)


def a_device(**changes: float) -> split.Device:
    return replace(split.Device(seconds_per_step=2.0), **changes)


def choose(choice: int | split.Range = WHOLE, **changes: object) -> split.Split:
    asked = {"steps": STEPS, "cloud": a_cloud(), "deadline_seconds": 1000.0, "quality": RISING} | changes
    return split.choose(choice, **asked)


# The ways of being wrong.


def test_a_range_without_a_quality_curve_is_refused() -> None:
    with pytest.raises(split.SplitError, match="needs the pair's measured quality curve"):
        choose(quality=None)


def test_a_floor_that_no_step_reaches_is_refused_with_the_nearest() -> None:
    with pytest.raises(split.SplitError, match=r"No step from 0 to 10 reaches the quality floor 0.9; step 10 .* 0.4"):
        choose(split.Range(minimum=0, maximum=10), quality=replace(RISING, floor=0.9))


@pytest.mark.parametrize(("minimum", "maximum"), [(-1, 5), (6, 5), (0, 26)])
def test_a_range_that_does_not_fit_is_refused(minimum: int, maximum: int) -> None:
    with pytest.raises(split.SplitError, match=f"{minimum} to {maximum} does not fit into 25 steps"):
        choose(split.Range(minimum=minimum, maximum=maximum))


def test_a_curve_of_another_length_is_refused() -> None:
    with pytest.raises(split.SplitError, match="has 3 values; 25 steps have 26 splits"):
        choose(quality=split.Quality(by_step=[0.1, 0.2, 0.3], floor=0.0))


# The laws. Times are whole numbers, so that sums are exact and the laws hold without a tolerance.

seconds = st.integers(0, 50).map(float)
clouds = st.builds(
    split.Cloud,
    seconds_per_large_step=st.integers(1, 20).map(float),
    seconds_per_small_step=seconds,
    seconds_to_decode=seconds,
    queue_seconds=seconds,
)
devices = st.builds(
    split.Device,
    seconds_per_step=seconds,
    seconds_to_decode=seconds,
    seconds_to_receive=seconds,
)
deadlines = st.integers(0, 800).map(float)


@st.composite
def ranges(draw: st.DrawFn) -> split.Range:
    minimum = draw(st.integers(0, STEPS))
    return split.Range(minimum=minimum, maximum=draw(st.integers(minimum, STEPS)))


@st.composite
def qualities(draw: st.DrawFn) -> split.Quality:
    by_step = draw(st.lists(st.floats(0, 1), min_size=STEPS + 1, max_size=STEPS + 1))
    return split.Quality(by_step=by_step, floor=draw(st.floats(0, 1)))


@given(choice=ranges(), quality=qualities(), cloud=clouds, device=st.none() | devices, deadline_seconds=deadlines)
def test_the_step_lies_in_the_range_and_never_below_the_quality_floor(
    choice: split.Range, quality: split.Quality, **facts: object
) -> None:
    assume(max(quality.by_step[choice.minimum : choice.maximum + 1]) >= quality.floor)
    chosen = choose(choice, quality=quality, **facts)
    assert choice.minimum <= chosen.step <= choice.maximum
    assert quality.by_step[chosen.step] >= quality.floor
    assert chosen.reason


@given(
    choice=ranges(),
    quality=qualities(),
    cloud=clouds,
    device=devices,
    deadline_seconds=deadlines,
    slower=st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)),
)
def test_a_slower_device_never_lowers_the_step(
    choice: split.Range, quality: split.Quality, device: split.Device, slower: tuple[int, int, int], **facts: object
) -> None:
    assume(max(quality.by_step[choice.minimum : choice.maximum + 1]) >= quality.floor)
    worse = split.Device(
        seconds_per_step=device.seconds_per_step + slower[0],
        seconds_to_decode=device.seconds_to_decode + slower[1],
        seconds_to_receive=device.seconds_to_receive + slower[2],
    )
    before = choose(choice, quality=quality, device=device, **facts)
    assert choose(choice, quality=quality, device=worse, **facts).step >= before.step


@given(
    pinned=st.integers(0, STEPS),
    quality=st.none() | qualities(),
    cloud=clouds,
    device=st.none() | devices,
    deadline_seconds=deadlines,
)
def test_a_pinned_step_wins_over_everything(pinned: int, **facts: object) -> None:
    assert choose(pinned, **facts) == split.Split(pinned, f"pinned to {pinned} of 25 steps")


@given(choice=ranges(), cloud=clouds, device=devices, deadline_seconds=deadlines, looser=st.integers(0, 500))
def test_more_time_never_costs_more(
    choice: split.Range, deadline_seconds: float, looser: int, cloud: split.Cloud, device: split.Device
) -> None:
    # Where no step is in time the fastest is chosen, which may cost less than the cheapest one in time.
    facts = {"cloud": cloud, "device": device, "quality": replace(RISING, floor=0.0)}
    tight = choose(choice, deadline_seconds=deadline_seconds, **facts)
    assume("no step meets" not in tight.reason)
    assert choose(choice, deadline_seconds=deadline_seconds + looser, **facts).step <= tight.step


@given(choice=ranges(), quality=qualities(), cloud=clouds, device=st.none() | devices, deadline_seconds=deadlines)
def test_the_same_facts_give_the_same_answer(choice: split.Range, quality: split.Quality, **facts: object) -> None:
    assume(max(quality.by_step[choice.minimum : choice.maximum + 1]) >= quality.floor)
    assert choose(choice, quality=quality, **facts) == choose(choice, quality=quality, **facts)


# What it says.


def test_a_fast_device_gets_all_that_quality_allows() -> None:
    assert choose(device=a_device(seconds_per_step=0.1)) == split.Split(
        10, "cheapest step at the asked quality; picture after 11.5 s of 1000 s"
    )


def test_a_slow_device_gets_as_many_steps_as_the_deadline_allows() -> None:
    assert choose(device=a_device(seconds_per_step=2.0), deadline_seconds=35.0) == split.Split(
        15, "device too slow for fewer cloud steps (2 s a step); picture after 35 s of 35 s"
    )


def test_a_device_far_too_slow_gets_nothing() -> None:
    assert choose(device=a_device(seconds_per_step=90.0), deadline_seconds=30.0).step == STEPS


def test_a_range_keeps_a_device_in_the_game() -> None:
    chosen = choose(split.Range(minimum=5, maximum=15), device=a_device(seconds_per_step=90.0), deadline_seconds=30.0)
    assert chosen == split.Split(15, "no step meets the deadline of 30 s, this is the fastest")


def test_without_a_device_the_cloud_finishes_as_cheaply_as_quality_allows() -> None:
    assert choose() == split.Split(
        10, "cheapest step at the asked quality, the cloud finishes; picture after 13.8 s of 1000 s"
    )


def test_the_queue_counts_against_the_deadline() -> None:
    relaxed = choose(device=a_device(), deadline_seconds=40.0)
    assert choose(device=a_device(), cloud=a_cloud(queue_seconds=5.0), deadline_seconds=40.0).step > relaxed.step


def test_a_curve_is_read_between_its_points() -> None:
    points = [(999.0, 0.1), (599.0, 0.5), (0.0, 0.9)]
    quality = split.Quality.from_curve(points, levels=[999.0, 799.0, 599.0, 299.5, 0.0], floor=0.4)
    assert quality.by_step == pytest.approx((0.1, 0.3, 0.5, 0.7, 0.9))
