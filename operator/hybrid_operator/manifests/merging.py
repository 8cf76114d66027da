"""Merges pod templates: maps merge, lists merge by `name` or `mountPath`, null removes, the rest replaces.

It knows no kinds. Without null a volume of ours could never become one of another type.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

_KEYS = ("name", "mountPath")
"""By which items of a list are told apart; of mounts the path, because a volume can be mounted twice."""


def merged(base: Any, *overlays: Any) -> Any:
    """`base` with each overlay laid over it in turn; nothing is changed in place."""
    result = deepcopy(base)
    for overlay in overlays:
        result = _merge(result, overlay)
    return result


def _merge(base: Any, overlay: Any) -> Any:
    """A new value of `overlay` over `base`, which may be nothing."""
    if isinstance(overlay, Mapping):
        below = base if isinstance(base, Mapping) else {}
        kept = {key: value for key, value in below.items() if key not in overlay}
        return kept | {key: _merge(below.get(key), value) for key, value in overlay.items() if value is not None}
    if isinstance(overlay, list):
        key = _key_of([*base, *overlay]) if isinstance(base, list) else None
        return _merge_by(key, base, overlay) if key else [_merge(None, item) for item in overlay]
    return overlay


def _merge_by(key: str, base: list[Any], overlay: list[Any]) -> list[Any]:
    """Items of `base` in their order, then what only `overlay` has."""
    theirs = {item[key]: item for item in overlay}
    kept = [_merge(item, theirs.pop(item[key], {})) for item in base]
    return [*kept, *(_merge(None, item) for item in theirs.values())]


def _key_of(items: list[Any]) -> str | None:
    """The field that all items have and that tells them apart; a mount has both, and its path does."""
    if not items or not all(isinstance(item, Mapping) for item in items):
        return None
    return next((key for key in reversed(_KEYS) if all(key in item for item in items)), None)
