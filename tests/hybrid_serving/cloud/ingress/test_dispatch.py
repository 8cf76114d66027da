import asyncio

import pytest

from hybrid_serving.cloud.ingress import dispatch
from hybrid_serving.cloud.ingress.dispatch import Journey, Leg, ReplicaLost, legs
from hybrid_serving.protocol import Image, Preview, Released, Settings, Work


def a_work(*, steps: int = 25, previews: int = 0) -> Work:
    settings = Settings(
        prompt="a red circle",
        negative_prompt="",
        seed=7,
        image=0,
        sampler="ddim",
        steps=steps,
        guidance_scale=5.0,
        width=64,
        height=64,
    )
    return Work(id="a-0", settings=settings, stop=steps, deadline=1e10, previews=previews)


def travel(denoisers, work: Work | None = None, *, boundaries=(10,), **options):
    work = work or a_work()
    journey = dispatch.begin(work, legs(list(denoisers), boundaries=boundaries, steps=work.settings.steps))
    answer = asyncio.run(dispatch.run(work, journey, runners=denoisers, **options))
    return answer, journey


def lost(_: Work) -> Exception:
    return ReplicaLost("killed")


@pytest.mark.parametrize(
    ("boundaries", "expected"),
    [
        ((10,), (Leg("large", 10), Leg("small", 25))),
        ((25,), (Leg("large", 25),)),
        ((0,), (Leg("small", 25),)),
        ((1,), (Leg("large", 1), Leg("small", 25))),
    ],
)
def test_a_segment_without_steps_is_not_visited(boundaries, expected) -> None:
    assert legs(("large", "small"), boundaries=boundaries, steps=25) == expected


def test_more_than_two_segments_follow_each_other() -> None:
    route = legs(("a", "b", "c"), boundaries=(5, 5), steps=9)
    assert route == (Leg("a", 5), Leg("c", 9))


def test_what_one_segment_releases_the_next_one_gets(denoisers) -> None:
    answer, journey = travel(denoisers)
    assert isinstance(answer, Image)
    assert [work.stop for work in denoisers["large"].received] == [10]
    (handed_on,) = denoisers["small"].received
    assert handed_on.state is not None
    assert handed_on.state.position == 10
    assert set(handed_on.conditioning) == {"text"}
    assert [booking.segment for booking in journey.bookings] == ["large", "small"]


@pytest.mark.parametrize("reason", ["drain", "rebalance", "preempted"])
def test_released_before_its_stop_work_returns_to_the_same_segment(denoisers, reason) -> None:
    large = denoisers["large"]
    large.script.append(lambda work: large.released(work, position=4, reason=reason))
    answer, journey = travel(denoisers)
    assert isinstance(answer, Image)
    assert [work.state and work.state.position for work in large.received] == [None, 4]
    assert journey.repeats == 0
    assert [booking.usage.rows.get("step") for booking in journey.bookings[:2]] == [8, 12]


def test_a_replica_that_dies_is_replaced_once_from_the_last_state(denoisers) -> None:
    large = denoisers["large"]
    large.script += [lambda work: large.released(work, position=4, reason="drain"), lost]
    answer, journey = travel(denoisers)
    assert isinstance(answer, Image)
    assert [work.state and work.state.position for work in large.received] == [None, 4, 4]
    assert journey.repeats == 1


def test_the_second_death_is_the_clients_to_see(denoisers) -> None:
    denoisers["large"].script += [lost, lost]
    with pytest.raises(ReplicaLost):
        travel(denoisers)


def test_one_death_a_journey_is_repeated_not_one_a_segment(denoisers) -> None:
    denoisers["large"].script.append(lost)
    denoisers["small"].script.append(lost)
    with pytest.raises(ReplicaLost):
        travel(denoisers)


def test_another_failure_is_not_repeated(denoisers) -> None:
    denoisers["large"].script.append(lambda _: ValueError("a bad prompt"))
    with pytest.raises(ValueError, match="a bad prompt"):
        travel(denoisers)
    assert len(denoisers["large"].received) == 1


def test_a_replica_that_drains_without_progress_is_asked_again_with_pauses(denoisers, monkeypatch) -> None:
    pauses = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    large = denoisers["large"]
    large.script += [lambda work: large.released(work, position=0, reason="drain")] * 7
    monkeypatch.setattr(dispatch.asyncio, "sleep", sleep)
    answer, _ = travel(denoisers)
    assert isinstance(answer, Image)
    assert [pause for pause in pauses if pause] == [0.02, 0.05, 0.1, 0.2, 0.5, 0.5, 0.5]


def test_waiting_ends_when_patience_does(denoisers) -> None:
    denoisers["small"].gate = asyncio.Event()
    with pytest.raises(dispatch.DeadlinePassed):
        travel(denoisers, patience_seconds=0.01)
    assert denoisers["small"].cancelled == ["a-0"]


def test_previews_arrive_before_the_answer(denoisers) -> None:
    seen: list[Preview] = []
    answer, _ = travel(denoisers, a_work(previews=2), boundaries=(25,), on_preview=seen.append)
    assert isinstance(answer, Image)
    assert [preview.index for preview in seen] == [0, 1]


def test_a_stream_that_ends_without_an_answer_counts_as_a_dead_replica(denoisers) -> None:
    class Mute:
        async def stream(self, work: Work):
            yield Preview(0, None)

    with pytest.raises(ReplicaLost, match="without an answer"):
        travel({"large": Mute()}, a_work(previews=1), boundaries=(), on_preview=lambda _: None)


def test_a_last_leg_that_stops_early_gives_the_state_back(denoisers) -> None:
    work = a_work()
    answer = asyncio.run(dispatch.run(work, Journey(rest=(Leg("large", 10),)), runners=denoisers))
    assert isinstance(answer, Released)
    assert answer.state.position == 10


def test_a_route_without_legs_is_refused(denoisers) -> None:
    with pytest.raises(dispatch.DispatchError, match="at least one segment"):
        asyncio.run(dispatch.run(a_work(), Journey(rest=()), runners=denoisers))
