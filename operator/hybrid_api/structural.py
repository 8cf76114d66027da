"""From pydantic's JSON schema to a structural schema, the form that a Kubernetes API server accepts.

References are inlined, `null` becomes absence, descriptions are unwrapped and say what a change does. Defaults stay
where a field is applied in place; the fixed half has none (a newer operator must not change what a running revision
was rendered from). A keyword that is not known here is an error, never passed through.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from hybrid_api.tags import SCHEMA_KEY, Tag

Schema = dict[str, Any]

_COPIED = frozenset(
    {"type", "format", "pattern", "enum", "required"}
    | {"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"}
    | {"maxProperties"}
)
_HANDLED_ELSEWHERE = frozenset({"title", "description", "default", "$defs", SCHEMA_KEY})
_EFFECT: Mapping[str | None, str] = {
    Tag.FIXED: " A change is a new revision: workers start anew.",
    Tag.TUNABLE: " A change is applied in place.",
    Tag.BOUNDS: " A change is applied in place: workers come or go.",
    Tag.PODS: " A change is a new revision: pods start anew.",
    Tag.CLUSTER: " A change is applied in place.",
}
_WITHOUT_DEFAULTS = frozenset({Tag.FIXED, Tag.PODS})


class UnsupportedSchemaError(TypeError):
    """A model uses something that a structural schema cannot say."""


def structural(schema: Schema) -> Schema:
    """The structural form of a whole JSON schema with `$defs`."""
    return _convert(schema, definitions=schema.get("$defs", {}), path="")


def _convert(schema: Schema, *, definitions: Mapping[str, Schema], path: str) -> Schema:
    schema = _resolve(schema, definitions=definitions, path=path)
    effect = _EFFECT.get(schema.get(SCHEMA_KEY), "")
    result: Schema = {"description": _unwrapped(schema["description"]) + effect} if "description" in schema else {}
    for key, value in schema.items():
        if key not in _HANDLED_ELSEWHERE:
            result |= _keyword(key, value, definitions=definitions, path=path)
    return result | _default(schema, converted=result)


def _keyword(key: str, value: Any, *, definitions: Mapping[str, Schema], path: str) -> Schema:
    """What one keyword and its value become."""
    match key:
        case "properties":
            return {
                key: {
                    name: _convert(each, definitions=definitions, path=f"{path}.{name}") for name, each in value.items()
                }
            }
        case "const":
            return {"enum": [value]}
        case "exclusiveMinimum":
            return {"minimum": value, "exclusiveMinimum": True}
        case "additionalProperties" if value is False:
            return {}  # beside `properties` the API server refuses unknown fields by itself, and forbids the pair
        case "items" | "additionalProperties":
            return {key: _convert(value, definitions=definitions, path=f"{path}[]")}
        case _ if key in _COPIED or key.startswith("x-kubernetes-"):
            return {key: deepcopy(value)}
    raise UnsupportedSchemaError(f"`{path}`: found the keyword `{key}`, expected one that a structural schema knows.")


def _resolve(schema: Schema, *, definitions: Mapping[str, Schema], path: str) -> Schema:
    """`schema` with its reference, and a choice between one type and `null`, replaced by what they mean."""
    for keyword in ("$ref", "anyOf"):
        if keyword in schema:
            meant = _referred(schema, definitions) if keyword == "$ref" else _only_option(schema, path=path)
            rest = {key: value for key, value in schema.items() if key != keyword}
            return _resolve(meant | rest, definitions=definitions, path=path)
    return schema


def _referred(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    return definitions[schema["$ref"].removeprefix("#/$defs/")]


def _only_option(schema: Schema, *, path: str) -> Schema:
    options: list[Schema] = [option for option in schema["anyOf"] if option != {"type": "null"}]
    if len(options) != 1:
        raise UnsupportedSchemaError(f"`{path}`: found a choice between {len(options)} types, expected one type.")
    return options[0]


def _default(schema: Schema, *, converted: Schema) -> Schema:
    """`{"default": …}` where the API server shall fill it in, else nothing."""
    default = schema.get("default")
    if default is None or schema.get(SCHEMA_KEY) in _WITHOUT_DEFAULTS:
        return {}
    if "properties" not in converted:
        return {"default": default}
    own = _stated(default, properties=schema["properties"])
    is_filled_below = any("default" in each for each in converted["properties"].values())
    return {"default": own} if own or is_filled_below else {}


def _stated(default: Mapping[str, Any], *, properties: Mapping[str, Schema]) -> Schema:
    """What the fields' own defaults do not say already; nothing of the fixed half."""
    return {
        name: value
        for name, value in default.items()
        if value is not None
        and value != properties[name].get("default")
        and properties[name].get(SCHEMA_KEY) not in _WITHOUT_DEFAULTS
    }


def _unwrapped(text: str) -> str:
    """Line breaks of the source taken out, blank lines kept."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
