"""One sentence a mistake: where, what was found, what was expected."""

from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from hybrid_api.errors import format_path, sentence
from hybrid_api.model import ApiModel


class Inner(ApiModel):
    even: Annotated[int, Field(strict=True, multiple_of=2)] = 0
    names: tuple[str, ...] = ()


class Outer(ApiModel):
    inner: Inner
    items: tuple[Inner, ...] = ()


def complaint(value: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(value)
    return sentence(caught.value, model=Outer)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "`inner`: found nothing, expected a value."),
        ({"inner": 5}, "`inner`: found 5, expected a mapping of fields."),
        ({"inner": {"even": 3}}, "`inner.even`: found 3, expected a multiple of 2."),
        ({"inner": {"even": "2"}}, "`inner.even`: found '2', expected a whole number."),
        ({"inner": {"evn": 2}}, "`inner.evn`: found an unknown field, expected one of even, names."),
        ({"inner": {}, "items": {"a": 1}}, "`items`: found fields a, expected a list."),
        ({"inner": {}, "items": [{}, {"even": []}]}, "`items[1].even`: found 0 items, expected a whole number."),
        ({"inner": {"even": {}}}, "`inner.even`: found no fields, expected a whole number."),
        ({"inner": {"names": [["a"]]}}, "`inner.names[0]`: found 1 item, expected a string."),
        ({"iner": {}}, "`inner`: found nothing, expected a value (and 1 more)."),
    ],
)
def test_complaints(value: Any, message: str) -> None:
    assert complaint(value) == message


def test_a_long_value_is_cut() -> None:
    assert len(complaint({"inner": {"even": "2" * 10_000}})) < 150


def test_a_path_is_written_as_in_the_manifest() -> None:
    assert format_path(("spec", "segments", 0, "steps")) == "spec.segments[0].steps"
