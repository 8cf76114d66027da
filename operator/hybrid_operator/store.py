"""What the watch has told so far: a copy of the objects that reconciling looks at, newest version wins.

Objects are kept as text, trimmed of what nobody reads: a fraction of the memory, and no reader can change what the
next one sees. Secrets are not watched. It may lag behind the API server, so nothing is deleted on its word alone.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hybrid_operator.children import LABEL_NAME
from hybrid_operator.kinds import HYBRID_DIFFUSION, POD, Kind
from hybrid_operator.ownership import is_ours

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ref:
    """One object by kind and name."""

    kind: Kind
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Key:
    """One resource by name: what is reconciled."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class _Held:
    uid: str
    version: int
    owner: Key
    text: str


class Store:
    """Objects as last seen."""

    def __init__(self) -> None:
        self._held: dict[Ref, _Held] = {}
        self._children: defaultdict[Key, set[Ref]] = defaultdict(set)

    def put(self, kind: Kind, manifest: Mapping[str, Any]) -> bool:
        """Take an object in, unless a newer version is known; whether anything is new."""
        ref, version = _ref(kind, manifest), version_of(manifest)
        known = self._held.get(ref)
        if known and known.version >= version:
            return False
        owner = owner_key(kind, manifest)
        self._forget(ref)
        text = json.dumps(_trimmed(kind, manifest), separators=(",", ":"))
        self._held[ref] = _Held(manifest["metadata"]["uid"], version, owner, text)
        if kind != HYBRID_DIFFUSION:
            self._children[owner].add(ref)
        return True

    def drop(self, kind: Kind, manifest: Mapping[str, Any]) -> None:
        """Forget an object that is gone; one that was made anew under its name stays."""
        ref = _ref(kind, manifest)
        known = self._held.get(ref)
        if known and known.uid == manifest["metadata"]["uid"]:
            self._forget(ref)

    def get(self, kind: Kind, *, namespace: str, name: str) -> Manifest | None:
        """The object as last seen."""
        known = self._held.get(Ref(kind, namespace, name))
        return json.loads(known.text) if known else None

    def children(self, key: Key) -> tuple[Manifest, ...]:
        """All objects that carry the resource's name."""
        return tuple(json.loads(self._held[ref].text) for ref in self._children.get(key, ()))

    def pods(self) -> Iterator[Manifest]:
        """Every pod of every resource."""
        return (json.loads(held.text) for ref, held in list(self._held.items()) if ref.kind == POD)

    def keys(self) -> Iterator[Key]:
        """Every resource."""
        return (held.owner for ref, held in self._held.items() if ref.kind == HYBRID_DIFFUSION)

    def mentioning(self, name: str, *, namespace: str) -> list[Key]:
        """Resources of the namespace in whose text the name stands: few too many, never one too few."""
        needle = json.dumps(name)
        held = (held for ref, held in self._held.items() if ref.kind == HYBRID_DIFFUSION and ref.namespace == namespace)
        return [each.owner for each in held if needle in each.text]

    def versions(self, kind: Kind) -> dict[Ref, tuple[str, int, Key]]:
        """Uid, version and resource of every object of a kind."""
        return {ref: (held.uid, held.version, held.owner) for ref, held in self._held.items() if ref.kind == kind}

    def _forget(self, ref: Ref) -> None:
        known = self._held.pop(ref, None)
        if known and (children := self._children.get(known.owner)):
            children.discard(ref)
            if not children:
                del self._children[known.owner]


def owner_key(kind: Kind, manifest: Mapping[str, Any]) -> Key:
    """The resource that an object is or belongs to."""
    metadata = manifest["metadata"]
    name = metadata["name"] if kind == HYBRID_DIFFUSION else (metadata.get("labels") or {}).get(LABEL_NAME, "")
    return Key(metadata["namespace"], name)


def version_of(manifest: Mapping[str, Any]) -> int:
    """Versions grow; comparing them as numbers is official since Kubernetes 1.35 (KEP-5504), and was always true."""
    return int(manifest["metadata"]["resourceVersion"])


def _ref(kind: Kind, manifest: Mapping[str, Any]) -> Ref:
    return Ref(kind, manifest["metadata"]["namespace"], manifest["metadata"]["name"])


def _trimmed(kind: Kind, manifest: Mapping[str, Any]) -> Manifest:
    kept = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind")}
    metadata = dict(manifest["metadata"])
    metadata["managedFields"] = [entry for entry in metadata.get("managedFields", []) if is_ours(entry)]
    metadata.pop("annotations", None) if kind == POD else None
    if kind == POD:
        metadata.pop("managedFields")
        kept["spec"] = {"containers": [_container(each) for each in manifest["spec"]["containers"]]}
        kept["spec"] |= {"nodeName": manifest["spec"].get("nodeName")}
    return {"apiVersion": kind.api_version, "kind": kind.name, **kept, "metadata": metadata}


def _container(container: Mapping[str, Any]) -> Manifest:
    return {key: container[key] for key in ("name", "image", "resources") if key in container}
