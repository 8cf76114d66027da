"""Scalars of the resource: what is refused, and that formatting gives back what was parsed."""

import contextlib
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from hybrid_api import scalars
from hybrid_api.scalars import Share, Size

milliseconds = st.integers(min_value=0, max_value=99_999 * 3_600_000)


@pytest.mark.parametrize(
    "text", ["", "5", "1.5s", "-1s", "5 s", "1d", "s", "1s2", "5S", "100000s", "1s\n", 5, None, True]
)
def test_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration such as"):
        scalars.parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "0h0m", "0ms"])
def test_zero_is_no_positive_duration(text: str) -> None:
    assert scalars.parse_duration(text) == timedelta(0)
    with pytest.raises(ValueError, match="above `0s`"):
        scalars.parse_positive_duration(text)


@given(milliseconds)
def test_a_duration_survives_its_text(value: int) -> None:
    duration = timedelta(milliseconds=value)
    assert scalars.parse_duration(scalars.format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("60s", 60), ("5m", 300), ("1h30m", 5400), ("90m", 5400), ("1m1ms", 60.001)]
)
def test_durations(text: str, seconds: float) -> None:
    assert scalars.parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "01", "1MB", "1.5Mi", "-1Ki", "1 Mi", "Mi", "1mi", 0, -1, 10**12, True, 1.5, None]
)
def test_no_size_in_bytes(text: object) -> None:
    with pytest.raises(ValueError, match="expected a size in bytes"):
        scalars.parse_bytes(text)


@given(st.integers(min_value=1, max_value=10**12 - 1))
def test_a_size_in_bytes_survives_its_text(value: int) -> None:
    assert scalars.parse_bytes(scalars.format_bytes(value)) == value
    assert scalars.parse_bytes(value) == value


@pytest.mark.parametrize(("text", "value"), [("1Mi", 1_048_576), ("64Ki", 65_536), ("65537", 65_537), ("2Gi", 2**31)])
def test_sizes_in_bytes(text: str, value: int) -> None:
    assert scalars.parse_bytes(text) == value
    assert scalars.format_bytes(value) == text


@pytest.mark.parametrize("text", ["", "%", "101%", "-1%", "12.5%", "040%", "40 %", "40", -1, 1001, 0.4, True, None])
def test_no_share_of_steps(text: object) -> None:
    with pytest.raises(ValueError, match="expected a share"):
        scalars.parse_share(text)


@given(st.one_of(st.integers(0, 100).map(lambda each: f"{each}%"), st.integers(0, 1000)))
def test_a_share_survives_its_text(text: str | int) -> None:
    assert scalars.format_share(scalars.parse_share(text)) == text


@given(st.integers(0, 100), st.integers(0, 1000))
def test_a_share_is_the_nearest_number_of_steps(percent: int, steps: int) -> None:
    taken = Share(percent=percent).of(steps)
    assert 0 <= taken <= steps
    assert abs(100 * taken - percent * steps) <= 50
    assert taken + Share(percent=100 - percent).of(steps) in {steps, steps + 1}


@pytest.mark.parametrize(("share", "steps", "taken"), [("40%", 25, 10), ("50%", 25, 13), (30, 25, 25), (0, 25, 0)])
def test_shares(share: str | int, steps: int, taken: int) -> None:
    assert scalars.parse_share(share).of(steps) == taken


@pytest.mark.parametrize(
    ("parse", "value"),
    [
        (scalars.parse_duration, timedelta(seconds=1)),
        (scalars.parse_share, Share(percent=1)),
        (scalars.parse_size, Size(width=1, height=1)),
        (TypeAdapter(scalars.DecimalString).validate_python, Decimal("0.10")),
    ],
    ids=["duration", "share", "size", "decimal"],
)
def test_a_parsed_value_is_parsed_already(parse: Callable[[object], object], value: object) -> None:
    assert parse(value) == value


@pytest.mark.parametrize("text", ["", "64", "64x", "x64", "0x64", "64x064", "64X64", "64x64x3", "100000x64", 64, None])
def test_no_picture_size(text: object) -> None:
    with pytest.raises(ValueError, match="expected a size in pixels"):
        scalars.parse_size(text)


def test_a_picture_size_is_width_first() -> None:
    assert scalars.parse_size("128x64") == Size(width=128, height=64)
    assert str(Size(width=128, height=64)) == "128x64"


@pytest.mark.parametrize(
    "parse",
    [scalars.parse_duration, scalars.parse_share, scalars.parse_size, scalars.parse_bytes],
    ids=lambda each: each.__name__,
)
@given(text=st.text(max_size=20))
def test_any_text_is_parsed_or_refused(parse: Callable[[object], object], text: str) -> None:
    with contextlib.suppress(ValueError):
        parse(text)
