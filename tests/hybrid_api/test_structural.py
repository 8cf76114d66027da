"""The structural schema: what cannot be said is refused, never passed through."""

from collections.abc import Mapping
from typing import Annotated, Literal

import pytest
from pydantic import Field

from hybrid_api.model import ApiModel
from hybrid_api.structural import UnsupportedSchemaError, structural
from hybrid_api.tags import Tag


class Inner(ApiModel):
    """An inner object."""

    quick: Annotated[int, Tag.TUNABLE] = 2
    """How quick."""
    slow: Annotated[int, Tag.FIXED] = 1
    """How slow,

    at length and
    over lines."""


def schema_of(model: type[ApiModel]) -> dict[str, object]:
    return structural(model.model_json_schema(mode="serialization"))


@pytest.mark.parametrize(
    "annotation",
    [int | str, tuple[int, str], Mapping[str, int | str], Annotated[int, Field(multiple_of=2)], object],
    ids=["a choice", "a fixed tuple", "a mapping to a choice", "a multiple", "anything"],
)
def test_what_a_structural_schema_cannot_say(annotation: type) -> None:
    model = type("Bad", (ApiModel,), {"__annotations__": {"field": annotation}})
    if annotation is object:
        assert "type" not in schema_of(model)["properties"]["field"]  # type: ignore[index]  # nested dicts
        return
    with pytest.raises(UnsupportedSchemaError, match=r"`\.field(\[\])?`: found"):
        schema_of(model)


def test_objects_are_inlined_with_only_the_defaults_applied_in_place() -> None:
    class Outer(ApiModel):
        inner: Inner = Inner()
        other: Inner = Inner(quick=3, slow=4)
        fixed: Annotated[int, Tag.FIXED] = 5

    properties = schema_of(Outer)["properties"]
    assert isinstance(properties, dict)
    assert properties["inner"]["default"] == {}
    assert properties["other"]["default"] == {"quick": 3}
    assert "default" not in properties["fixed"]
    assert properties["inner"]["properties"]["quick"] == {
        "description": "How quick. A change is applied in place.",
        "type": "integer",
        "default": 2,
    }


def test_blank_lines_of_a_description_stay() -> None:
    properties = schema_of(Inner)["properties"]
    assert isinstance(properties, dict)
    description = properties["slow"]["description"]
    assert description == "How slow,\n\nat length and over lines. A change is a new revision: workers start anew."


def test_words_that_pydantic_says_otherwise() -> None:
    class Words(ApiModel):
        constant: Literal["one"]
        positive: Annotated[int, Field(gt=0)]
        optional: str | None = None

    properties = schema_of(Words)["properties"]
    assert properties == {
        "constant": {"type": "string", "enum": ["one"]},
        "positive": {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
        "optional": {"type": "string"},
    }
    assert "additionalProperties" not in schema_of(Words)
