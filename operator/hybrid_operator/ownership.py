"""Whether a live object is already as we want it, judged by what the API server says we own of it.

The server keeps, for every field manager, the set of fields it applied (`managedFields`, structured-merge-diff's
FieldsV1). What those fields hold in the live object is what we last applied, unless somebody changed or took it. So an
object is as desired exactly if that part equals the manifest. Pure.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

FIELD_MANAGER = "hybrid-diffusion-operator"
"""As whom we apply, and under which name conflicts and `kubectl get --show-managed-fields` know us."""

Manifest = dict[str, Any]

_IDENTITY = ("name", "namespace", "uid", "resourceVersion")
"""Fields of metadata that say which object, not what it is like."""


def is_as_desired(live: Manifest, desired: Manifest) -> bool:
    """Whether applying `desired` would change nothing, neither a value nor who owns a field."""
    entry = our_entry(live)
    if entry is None:
        return False
    ours, wanted = _content(_owned(live, entry["fieldsV1"])), _content(desired)
    return bool(ours == wanted or _without_nothing(ours) == _without_nothing(wanted))


def our_entry(live: Manifest) -> Mapping[str, Any] | None:
    """What we applied to an object, as the server remembers it; `None` where we never did."""
    entries = live["metadata"].get("managedFields", [])
    return next((entry for entry in entries if is_ours(entry)), None)


def is_ours(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of `managedFields` is about what we applied to the object itself, not to its status."""
    mine = entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
    return bool(mine and not entry.get("subresource"))


def applied_at(live: Manifest) -> datetime | None:
    """When our last change to an object happened, by the API server's clock."""
    entry = our_entry(live)
    return parse_time(entry["time"]) if entry and "time" in entry else None


def parse_time(text: str) -> datetime:
    """Kubernetes' time format."""
    return datetime.fromisoformat(text)


def _owned(live: Any, fields: Mapping[str, Any]) -> Any:
    """The part of `live` that the field set names; a leaf of the set owns all beneath it."""
    inner = {key: value for key, value in fields.items() if key != "."}
    if not inner:
        return live
    if isinstance(live, Mapping):
        names = {key.removeprefix("f:"): value for key, value in inner.items() if key.startswith("f:")}
        return {name: _owned(live[name], below) for name, below in names.items() if name in live}
    if isinstance(live, Sequence) and not isinstance(live, str):
        return [_owned(item, below) for item in live for key, below in inner.items() if _is_meant(item, key)]
    return live


def _is_meant(item: Any, key: str) -> bool:
    """Whether a list's item is the one that an element of a field set means: by keys, or by value."""
    sort, _, value = key.partition(":")
    meant = json.loads(value)
    if sort == "k":
        return isinstance(item, Mapping) and all(item.get(name) == wanted for name, wanted in meant.items())
    return bool(item == meant)


def _content(manifest: Manifest) -> Manifest:
    """What an object is like, without what says which object it is."""
    metadata = {key: value for key, value in manifest.get("metadata", {}).items() if key not in _IDENTITY}
    rest = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind", "metadata")}
    return {**rest, "metadata": metadata}


def _without_nothing(value: Any) -> Any:
    """Without empty fields: the server drops some of them, and means the same."""
    if isinstance(value, Mapping):
        kept = {key: _without_nothing(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner not in ({}, [], None)}
    if isinstance(value, list):
        return [_without_nothing(item) for item in value]
    return value
