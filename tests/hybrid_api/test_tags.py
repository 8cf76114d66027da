"""Tags decide where fields go, so every leaf must have exactly one."""

from typing import Annotated

import pytest
from pydantic import ValidationError

from hybrid_api.halves import half_of, stored
from hybrid_api.model import ApiModel
from hybrid_api.tags import KEY, Tag, leaves, model_in, replace_model, tag_of
from hybrid_api.v1alpha1 import HybridDiffusion, Segment


class Part(ApiModel):
    name: Annotated[str, Tag.FIXED, KEY]
    slow: Annotated[int, Tag.FIXED] = 1
    quick: Annotated[int, Tag.TUNABLE] = 2
    many: Annotated[int, Tag.BOUNDS] = 3


class Whole(ApiModel):
    parts: tuple[Part, ...]
    extra: Part | None = None


def test_every_leaf_of_the_spec_has_a_tag() -> None:
    untagged = {path for path, field in leaves(HybridDiffusion) if tag_of(field) is None}
    assert untagged == {"apiVersion", "kind"}


def test_leaves_are_named_as_in_the_manifest() -> None:
    assert [path for path, _ in leaves(Whole)][:2] == ["parts[].name", "parts[].slow"]
    assert "extra.quick" in {path for path, _ in leaves(Whole)}


@pytest.mark.parametrize(
    ("annotation", "found"), [(Part, Part), (Part | None, Part), (tuple[Part, ...], Part), (int, None)]
)
def test_the_model_inside_an_annotation(annotation: object, found: object) -> None:
    assert model_in(annotation) is found


def test_a_model_is_replaced_where_it_stands() -> None:
    assert replace_model(tuple[Part, ...], Whole) == tuple[Whole, ...]
    assert replace_model(Part | None, Whole) == Whole | None
    assert replace_model(int, Whole) is int


def test_a_half_has_its_own_fields_and_the_keys() -> None:
    whole = Whole(parts=(Part(name="a", quick=7),), extra=Part(name="b"))
    tunable = half_of(Whole, Tag.TUNABLE).model_validate(whole, from_attributes=True)
    assert tunable.model_dump() == {"parts": ({"name": "a", "quick": 7},), "extra": {"name": "b", "quick": 2}}


def test_a_half_does_not_have_the_other_fields() -> None:
    half = half_of(Part, Tag.FIXED)(name="a")
    with pytest.raises(AttributeError):
        _ = half.quick  # type: ignore[attr-defined]  # what is tested


def test_a_half_refuses_the_other_fields() -> None:
    with pytest.raises(ValidationError, match="quick"):
        half_of(Part, Tag.FIXED).model_validate({"name": "a", "quick": 2})


def test_what_must_be_written_must_be_read() -> None:
    with pytest.raises(ValidationError, match="parts"):
        half_of(Whole, Tag.FIXED).model_validate({})


def test_a_half_of_one_tag_is_the_model_itself() -> None:
    engine = model_in(Segment.model_fields["engine"].annotation)
    assert engine is not None
    assert half_of(engine, Tag.FIXED) is engine


def test_what_a_default_filled_in_is_not_stored() -> None:
    assert stored(Whole(parts=(Part(name="a", many=4),)), Tag.FIXED, Tag.TUNABLE) == {"parts": [{"name": "a"}]}


def test_what_is_written_out_is_stored_even_if_it_is_the_default() -> None:
    whole = Whole(parts=(Part(name="a", slow=1, quick=7),), extra=Part(name="b"))
    assert stored(whole, Tag.FIXED) == {"parts": [{"name": "a", "slow": 1}], "extra": {"name": "b"}}


def test_an_object_that_says_nothing_is_not_stored() -> None:
    class Silent(ApiModel):
        part: Part | None = None
        quiet: Whole = Whole(parts=())

    assert stored(Silent.model_validate({"quiet": {"parts": []}}), Tag.TUNABLE) == {"quiet": {"parts": []}}
    assert stored(Silent(), Tag.TUNABLE) == {}
