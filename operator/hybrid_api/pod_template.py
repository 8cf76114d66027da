"""A part of a Kubernetes pod template: only as much of its shape is known as merging it needs.

A full schema would take a megabyte in the CustomResourceDefinition. The rest is for the API server to judge, when the
operator asks it about the merged template; nothing here merges or fills in.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

Schema = dict[str, Any]


def _anything(text: str, **properties: Schema) -> Schema:
    known: Schema = {"properties": properties} if properties else {}
    return {"type": "object", "description": text, "x-kubernetes-preserve-unknown-fields": True, **known}


def _words(text: str) -> Schema:
    return {"type": "object", "description": text, "additionalProperties": {"type": "string"}}


def _named(text: str, **properties: Schema) -> Schema:
    name = {"type": "string", "description": "What it is merged by."}
    items = _anything("As in Kubernetes.", name=name, **properties) | {"required": ["name"]}
    return {"type": "array", "description": text, "items": items}


_RESOURCES = _anything(
    "What it asks for.", limits=_anything("The most it may use."), requests=_anything("What is reserved for it.")
)
_SCHEMA = {
    "type": "object",
    "x-kubernetes-preserve-unknown-fields": True,
    "properties": {
        "metadata": _anything("Labels and annotations.", labels=_words("Labels."), annotations=_words("Annotations.")),
        "spec": _anything(
            "As in Kubernetes.",
            containers=_named("Containers; the one that runs Ray is `ray`.", resources=_RESOURCES),
            initContainers=_named("What runs before."),
            volumes=_named("Volumes."),
        ),
    },
}


def _check(template: dict[str, Any]) -> dict[str, Any]:
    for complaint in _complaints(template, schema=_SCHEMA, path=""):
        raise ValueError(f"expected {complaint}")
    return template


def _complaints(value: Any, *, schema: Schema, path: str) -> list[str]:
    """The same judgement as the API server's, of the four things that the schema says."""
    where = f"`{path.removeprefix('.')}`" if path else "a pod template"
    match schema["type"]:
        case "string" if not isinstance(value, str):
            return [f"{where} as a string"]
        case "array" if not isinstance(value, list):
            return [f"{where} as a list"]
        case "object" if not isinstance(value, Mapping):
            return [f"{where} as an object"]
        case "array":
            return _of_items(value, schema=schema["items"], path=path)
        case "object":
            return _of_fields(value, schema=schema, path=path)
    return []


def _of_items(items: list[Any], *, schema: Schema, path: str) -> list[str]:
    found = (_complaints(item, schema=schema, path=f"{path}[{index}]") for index, item in enumerate(items))
    return [complaint for complaints in found for complaint in complaints]


def _of_fields(value: Mapping[str, Any], *, schema: Schema, path: str) -> list[str]:
    every: Schema | None = schema.get("additionalProperties")
    known: Mapping[str, Schema] = schema.get("properties", {}) if every is None else dict.fromkeys(value, every)
    required = (name for name in schema.get("required", ()) if name not in value)
    found = (_complaints(value[name], schema=known[name], path=f"{path}.{name}") for name in known if name in value)
    missing = [f"`{path.removeprefix('.')}.{name}`" for name in required]
    return [*missing, *(complaint for complaints in found for complaint in complaints)]


PodTemplate = Annotated[dict[str, Any], AfterValidator(_check), WithJsonSchema(_SCHEMA)]
"""What a user says of some pods; merged over what the operator says of them."""
