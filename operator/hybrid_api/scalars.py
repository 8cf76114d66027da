"""Scalar types of the resource: durations, sizes in bytes, decimals, shares of steps, picture sizes.

Each is a string in the manifest (the API has no floats) and a plain Python value inside. Parsing is exact and gives one
sentence when it fails; formatting is canonical, so that a value survives a round trip.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

DURATION_PATTERN = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
BYTES_PATTERN = r"^[1-9][0-9]{0,11}(Ki|Mi|Gi)?$"
DECIMAL_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,9})?$"
GUIDANCE_PATTERN = r"^(100(\.0{1,4})?|[1-9][0-9]?(\.[0-9]{1,4})?)$"
SHARE_PATTERN = r"^(100|[1-9]?[0-9])%$"
SIZE_PATTERN = r"^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$"

_UNIT_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_MOST_BYTES = 10**12 - 1
_UNIT_BYTES = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def _matched(value: object, *, pattern: str, expected: str) -> str:
    if isinstance(value, str) and re.fullmatch(pattern, value):
        return value
    raise ValueError(f"expected {expected}")


def parse_duration(value: object) -> timedelta:
    """`1h30m`, `5m`, `60s`, `500ms` (the subset of the Gateway API)."""
    if isinstance(value, timedelta):
        return value
    text = _matched(value, pattern=DURATION_PATTERN, expected="a duration such as `500ms`, `60s` or `1h30m`")
    parts = re.findall(r"([0-9]+)(ms|h|m|s)", text)
    return timedelta(milliseconds=sum(int(number) * _UNIT_MILLISECONDS[unit] for number, unit in parts))


def format_duration(value: timedelta) -> str:
    """The shortest manifest form of a duration of whole milliseconds."""
    rest = value // timedelta(milliseconds=1)
    text = ""
    for unit, milliseconds in _UNIT_MILLISECONDS.items():
        number, rest = divmod(rest, milliseconds)
        text += f"{number}{unit}" if number else ""
    return text or "0s"


def parse_positive_duration(value: object) -> timedelta:
    """A duration above zero."""
    if duration := parse_duration(value):
        return duration
    raise ValueError("expected a duration above `0s`")


def parse_bytes(value: object) -> int:
    """`65536`, `64Ki`, `1Mi`: a size in bytes as a Kubernetes quantity."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST_BYTES:
        return value
    text = _matched(value, pattern=BYTES_PATTERN, expected="a size in bytes such as `65536`, `64Ki` or `1Mi`")
    number, unit = re.findall(r"([0-9]+)(Ki|Mi|Gi)?", text)[0]
    return int(number) * _UNIT_BYTES[unit]


def format_bytes(value: int) -> str:
    """The manifest form with the largest unit that is exact."""
    unit = next(unit for unit in ("Gi", "Mi", "Ki", "") if value % _UNIT_BYTES[unit] == 0)
    return f"{value // _UNIT_BYTES[unit]}{unit}"


def _decimal(pattern: str, expected: str) -> Callable[[object], Decimal]:
    def parse(value: object) -> Decimal:
        if isinstance(value, Decimal):
            value = f"{value:f}"
        return Decimal(_matched(value, pattern=pattern, expected=expected))

    return parse


@dataclass(frozen=True, slots=True)
class Share:
    """A number of a request's steps: a share of them, or an absolute number."""

    percent: int | None = None
    number: int | None = None

    def of(self, steps: int) -> int:
        """How many of `steps` are meant, at most all; a share is rounded to the nearest step, halves up."""
        if self.number is not None:
            return min(self.number, steps)
        return (2 * (self.percent or 0) * steps + 100) // 200


def parse_share(value: object) -> Share:
    """`40%` or `10`."""
    if isinstance(value, Share):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1000:
        return Share(number=value)
    text = _matched(value, pattern=SHARE_PATTERN, expected="a share such as `40%`, or a number of steps from 0 to 1000")
    return Share(percent=int(text.removesuffix("%")))


def format_share(share: Share) -> str | int:
    """The manifest form."""
    return f"{share.percent}%" if share.number is None else share.number


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """Width and height of a picture in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def parse_size(value: object) -> Size:
    """`512x512`, width first."""
    if isinstance(value, Size):
        return value
    text = _matched(value, pattern=SIZE_PATTERN, expected="a size in pixels such as `512x512`")
    width, height = map(int, text.split("x"))
    return Size(width=width, height=height)


def _text(pattern: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, **more})


_DURATION_SCHEMA: dict[str, Any] = {
    "type": "string",
    "format": "duration",
    "pattern": DURATION_PATTERN,
    "maxLength": 32,
}

Duration = Annotated[
    timedelta, PlainValidator(parse_duration), PlainSerializer(format_duration), WithJsonSchema(_DURATION_SCHEMA)
]
"""Zero or more, in whole milliseconds."""

PositiveDuration = Annotated[
    timedelta,
    PlainValidator(parse_positive_duration),
    PlainSerializer(format_duration),
    WithJsonSchema(
        {
            **_DURATION_SCHEMA,
            "x-kubernetes-validations": [
                {"rule": "self > duration('0s')", "message": "expected a duration above `0s`"},
            ],
        }
    ),
]
"""More than zero, in whole milliseconds."""

Bytes = Annotated[
    int,
    PlainValidator(parse_bytes),
    PlainSerializer(format_bytes, return_type=str),
    WithJsonSchema(
        {"x-kubernetes-int-or-string": True, "pattern": BYTES_PATTERN, "minimum": 1, "maximum": _MOST_BYTES}
    ),
]
"""One byte or more. Numbers are allowed as in every Kubernetes quantity."""

DecimalString = Annotated[
    Decimal,
    PlainValidator(_decimal(DECIMAL_PATTERN, 'a decimal as a string such as `"0.0316"`')),
    PlainSerializer(lambda value: f"{value:f}", return_type=str),
    _text(DECIMAL_PATTERN, maxLength=19),
]
"""Zero or more."""

GuidanceScale = Annotated[
    Decimal,
    PlainValidator(_decimal(GUIDANCE_PATTERN, 'a decimal from 1 to 100 as a string such as `"5.0"`')),
    PlainSerializer(lambda value: f"{value:f}", return_type=str),
    _text(GUIDANCE_PATTERN, maxLength=8),
]

StepShare = Annotated[
    Share,
    PlainValidator(parse_share),
    PlainSerializer(format_share),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "pattern": SHARE_PATTERN,
            "minimum": 0,
            "maximum": 1000,
            "maxLength": 4,
        }
    ),
]

PictureSize = Annotated[Size, PlainValidator(parse_size), PlainSerializer(str), _text(SIZE_PATTERN, maxLength=11)]
