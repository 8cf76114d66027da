"""The base of the resource's models, and rules that hold between fields.

A rule is written twice on purpose: as CEL for the API server and as Python for everybody else. `Rule` keeps the message
common; a contract test has both refuse the same samples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition between fields: `cel` is true for what is allowed, `message` says what was expected."""

    cel: str
    message: str

    def check(self, holds: bool) -> None:  # noqa: FBT001  one truth value is the whole argument
        """Raise for pydantic unless the Python form of the rule holds."""
        if not holds:
            raise ValueError(self.message)


def with_rules(*rules: Rule, **more: Any) -> dict[str, Any]:
    """JSON schema additions that carry `rules` to the API server."""
    validations = [{"rule": rule.cel, "message": rule.message} for rule in rules]
    return {"x-kubernetes-validations": validations, **more}


class ApiModel(BaseModel):
    """Immutable, camelCase in the manifest, unknown fields refused, documented beneath each field."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )

    def manifest(self) -> dict[str, Any]:
        """The manifest form: aliases, strings for decimals and durations, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


Manifest = Mapping[str, Any]
