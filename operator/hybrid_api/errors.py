"""The border's errors: one tree; each message is a sentence with the field's path, what was found, what was expected.

It translates pydantic's complaints; it must not decide what is allowed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hybrid_api.tags import model_in


class ApiError(ValueError):
    """Something that a user wrote cannot be used; the message says where, what was found and what was expected."""


_EXPECTED: Mapping[str, str] = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "string_type": "a string",
    "tuple_type": "a list",
    "model_type": "a mapping of fields",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "bool_type": "`true` or `false`",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "text that matches `{pattern}`",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "too_short": "at least {min_length} items",
    "too_long": "at most {max_length} items",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
}


def sentence(error: ValidationError, *, model: type[BaseModel]) -> str:
    """The first complaint of `error` as one sentence, and how many more there are."""
    complaints = error.errors(include_url=False)
    more = f" (and {len(complaints) - 1} more)" if len(complaints) > 1 else ""
    return f"{_complaint(complaints[0], model=model)}{more}."


def _complaint(details: ErrorDetails, *, model: type[BaseModel]) -> str:
    where, kind = details["loc"], details["type"]
    path = format_path(where)
    if kind == "missing":
        return f"`{path}`: found nothing, expected a value"
    if kind == "extra_forbidden":
        known = ", ".join(_fields_at(model, where[:-1]))
        return f"`{path}`: found an unknown field, expected one of {known}"
    context = details.get("ctx", {})
    if kind == "value_error":
        expected = str(context["error"])
    elif kind in _EXPECTED:
        expected = "expected " + _EXPECTED[kind].format_map(context)
    else:
        expected = details["msg"].replace("Input should be", "expected")
    return f"`{path}`: found {_show(details['input'])}, {expected}"


def format_path(where: Sequence[str | int]) -> str:
    """`spec.segments[0].steps` for pydantic's location."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _show(value: Any) -> str:
    if isinstance(value, Mapping):
        return "fields " + ", ".join(map(str, value)) if value else "no fields"
    if isinstance(value, list | tuple):
        return f"{len(value)} item" + ("" if len(value) == 1 else "s")
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _fields_at(model: type[BaseModel], where: Sequence[str | int]) -> list[str]:
    for part in where:
        field = next((each for name, each in model.model_fields.items() if part in (name, each.alias)), None)
        inner = model_in(field.annotation) if field else None
        model = inner or model
    return [field.alias or name for name, field in model.model_fields.items()]
