"""The fixed and the tunable half of a resource, derived from the tags on its fields.

A half is the resource's own model with the fields of the other tags taken out, so the same definitions write and read
it: what is not in a half is not an attribute of what was read from it, and unknown keys are refused.
"""

from collections.abc import Collection
from copy import copy
from functools import cache
from typing import Any

from pydantic import BaseModel, create_model
from pydantic.fields import FieldInfo

from hybrid_api.model import ApiModel
from hybrid_api.tags import Tag, is_key, is_list, leaves, model_in, replace_model, tag_of


@cache
def half_of(model: type[BaseModel], tag: Tag) -> type[BaseModel]:
    """`model` with only the leaves of `tag`, and the keys of its lists; `model` itself where nothing is left out."""
    if all(tag_of(field) is tag for _, field in leaves(model)):
        return model
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        inner = model_in(field.annotation)
        if inner is None and (tag_of(field) is tag or is_key(field)):
            fields[name] = (field.annotation, copy(field))
        elif inner is not None and any(tag_of(leaf) is tag for _, leaf in leaves(inner)):
            fields[name] = _narrowed(field, half_of(inner, tag))
    return create_model(f"{tag}{model.__name__}", __base__=ApiModel, __doc__=model.__doc__, **fields)


def stored(resource: BaseModel, *tags: Tag) -> dict[str, Any]:
    """What the manifest itself says of the leaves of `tags`: nothing that a default filled in."""
    manifest = resource.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
    return _said(type(resource), manifest, tags=tags)


def _said(model: type[BaseModel], manifest: dict[str, Any], *, tags: Collection[Tag]) -> dict[str, Any]:
    found = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        value, inner = manifest.get(key), model_in(field.annotation)
        if value is not None and inner is None and (tag_of(field) in tags or is_key(field)):
            found[key] = value
        elif value is not None and inner is not None and any(tag_of(leaf) in tags for _, leaf in leaves(inner)):
            found[key] = (
                [_said(inner, item, tags=tags) for item in value]
                if is_list(field.annotation)
                else _said(inner, value, tags=tags)
            )
    return {key: value for key, value in found.items() if value != {}}


def _narrowed(field: FieldInfo, half: type[BaseModel]) -> tuple[Any, Any]:
    """A field that holds half a model. A half is always written whole, so only what may be absent has a default."""
    annotation = replace_model(field.annotation, half)
    return (annotation, None) if field.default is None else (annotation, ...)
