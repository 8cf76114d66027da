"""What a change of a field does to a running service, as a tag on every leaf of the resource.

The two halves of the Serve document, the CRD's defaults and the contract tests are derived from these tags; nothing
else may decide where a field goes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import or_
from typing import Any, get_args, get_origin

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

SCHEMA_KEY = "x-tag"
"""Where the tag travels in the JSON schema until the structural schema is made."""


class Tag(StrEnum):
    """Where a leaf goes, and so what a change of it costs."""

    FIXED = "Fixed"
    """Into the application's `args`: a change is a new revision, replicas start anew."""
    TUNABLE = "Tunable"
    """Into every deployment's `user_config`: applied in place by `reconfigure`."""
    BOUNDS = "Bounds"
    """Into `autoscaling_config`: replicas come or go, none restarts."""
    PODS = "Pods"
    """Into the Ray cluster's pods: a change is a new revision. Nothing to the application."""
    CLUSTER = "Cluster"
    """Acts on the objects around the pods: applied in place, nothing restarts."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Leave the tag in the JSON schema for the structural schema to read."""
        return {**handler(schema), SCHEMA_KEY: self.value}


@dataclass(frozen=True, slots=True)
class Key:
    """Marks the field that names an item of a list; it travels with both halves."""


KEY = Key()


def tag_of(field: FieldInfo) -> Tag | None:
    """The tag of a leaf; `None` for fields that are models themselves."""
    return next((item for item in field.metadata if isinstance(item, Tag)), None)


def is_key(field: FieldInfo) -> bool:
    """Whether the field names its list item."""
    return KEY in field.metadata


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside `Model`, `Model | None` or `tuple[Model, ...]`."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation if issubclass(annotation, BaseModel) else None
    return next((found for part in get_args(annotation) if (found := model_in(part))), None)


def is_list(annotation: Any) -> bool:
    """Whether it is `tuple[…]` or `tuple[…] | None`."""
    return get_origin(annotation) is tuple or any(is_list(part) for part in get_args(annotation) if get_origin(part))


def replace_model(annotation: Any, model: type[BaseModel]) -> Any:
    """`annotation` with the model inside it replaced."""
    if get_origin(annotation) is None:
        return model if model_in(annotation) else annotation
    parts = tuple(replace_model(part, model) for part in get_args(annotation))
    return tuple.__class_getitem__(parts) if get_origin(annotation) is tuple else reduce(or_, parts)


def leaves(model: type[BaseModel], *, path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every leaf below `model` with its path in the manifest, list items as `[]`."""
    for name, field in model.model_fields.items():
        here = f"{path}.{field.alias or name}" if path else (field.alias or name)
        if inner := model_in(field.annotation):
            here += "[]" if get_origin(field.annotation) is tuple else ""
            yield from leaves(inner, path=here)
        else:
            yield here, field
