"""JSON schemas of every kind that an API server knows, in the files that kubeconform looks for.

Dumped from the server itself, so nothing is fetched from elsewhere and custom resources are among them.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kubernetes import client

LOCATION = "{folder}/{{{{.ResourceKind}}}}-{{{{.Group}}}}-{{{{.ResourceAPIVersion}}}}.json"
"""For `kubeconform -schema-location`, once the folder is filled in."""
_KIND = "x-kubernetes-group-version-kind"


def dump(connection: client.ApiClient, folder: Path) -> int:
    """Write the schemas; how many they are."""
    written = 0
    for path in _asked(connection, "/openapi/v3")["paths"].values():
        document = _asked(connection, path["serverRelativeURL"])
        components = {"schemas": {name: _strict(each) for name, each in _schemas(document).items()}}
        for component, kind in _kinds(document):
            schema = {"$ref": f"#/components/schemas/{component}", "components": components}
            # To kubeconform the core's group is its version.
            name = f"{kind['kind'].lower()}-{kind['group'] or kind['version']}-{kind['version']}.json"
            (folder / name).write_text(json.dumps(schema), encoding="utf-8")
            written += 1
    return written


def _asked(connection: client.ApiClient, path: str) -> Any:
    answer = connection.call_api("GET", f"{connection.configuration.host}{path}", _headers(connection))
    return json.loads(answer.read())  # type: ignore[no-untyped-call]  # the library has no types here


def _headers(connection: client.ApiClient) -> dict[str, str]:
    return {"Authorization": connection.configuration.get_api_key_with_prefix("authorization"), "Accept": "*/*"}


def _schemas(document: Mapping[str, Any]) -> Mapping[str, Any]:
    schemas: Mapping[str, Any] = document.get("components", {}).get("schemas", {})
    return schemas


def _kinds(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, str]]]:
    for name, schema in _schemas(document).items():
        for kind in schema.get(_KIND, []):
            if "metadata" in schema.get("properties", {}):
                yield name, kind


def _strict(schema: Any) -> Any:
    """The same schema, refusing what it does not name."""
    if not isinstance(schema, dict):
        return schema
    strict = dict(schema)
    if properties := schema.get("properties"):
        strict["properties"] = {name: _strict(each) for name, each in properties.items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            strict.setdefault("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if key in schema:
            strict[key] = _strict(schema[key])
    return strict
