from hypothesis import given
from hypothesis import strategies as st

from hybrid_serving.cloud import program
from hybrid_serving.cloud.program import BatchKey, Keys
from hybrid_serving.protocol import Settings, State, Work

KEYS = Keys(encode=BatchKey("te", "base", ()), step=BatchKey("unet", "base", ()), decode=BatchKey("vae", "base", ()))


def a_work(*, steps: int = 5, stop: int | None = None, position: int | None = None, previews: int = 0) -> Work:
    settings = Settings("p", "", 1, 0, "ddim", steps, 5.0, 32, 32)
    state = None if position is None else State(position=position, x=None)  # type: ignore[arg-type]  # not looked at
    return Work("w", settings, steps if stop is None else stop, 1.0, state, previews=previews)


def kinds(work: Work, *, encode_rows: int = 0) -> list[str]:
    return [item.kind for item in program.compile(work, keys=KEYS, rows=2, encode_rows=encode_rows)]


def test_a_whole_trajectory_encodes_steps_and_decodes() -> None:
    assert kinds(a_work(steps=3), encode_rows=2) == ["encode", "step", "step", "step", "decode"]


def test_known_texts_are_not_encoded() -> None:
    assert "encode" not in kinds(a_work())


def test_work_that_stops_at_the_split_does_not_decode() -> None:
    assert kinds(a_work(steps=5, stop=2)) == ["step", "step"]


def test_work_that_goes_on_begins_where_its_state_stands() -> None:
    items = program.compile(a_work(steps=5, position=3), keys=KEYS, rows=1, encode_rows=0)
    assert [(item.kind, item.index) for item in items] == [("step", 3), ("step", 4), ("decode", 0)]


def test_a_state_at_the_stop_leaves_nothing_to_do() -> None:
    assert kinds(a_work(steps=5, stop=3, position=3)) == []


def test_a_finished_state_is_only_decoded() -> None:
    assert kinds(a_work(steps=5, position=5)) == ["decode"]


def test_previews_are_spread_over_the_whole_trajectory_whoever_runs_it() -> None:
    whole = program.preview_positions(steps=25, previews=3)
    assert whole == {6: 0, 12: 1, 19: 2}
    second = program.compile(a_work(steps=25, position=10, previews=3), keys=KEYS, rows=1, encode_rows=0)
    assert [item.index for item in second if item.kind == "preview"] == [1, 2]


@given(st.integers(1, 100), st.integers(0, 10))
def test_previews_are_distinct_and_never_the_finished_picture(steps: int, previews: int) -> None:
    positions = program.preview_positions(steps=steps, previews=previews)
    assert len(positions) <= previews
    assert all(0 < position < steps for position in positions)
    assert list(positions.values()) == list(range(len(positions)))
