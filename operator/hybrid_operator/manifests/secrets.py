"""Secrets: those made once for a resource, and all of them as mounted files: keys of ingress pods, the ledger's of all.

Values reach replicas this way and no other: never through the Serve document or the environment.
"""

import base64
from typing import Any

from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator.manifests.environment import MOUNT_PATH
from hybrid_operator.manifests.labels import metadata
from hybrid_operator.manifests.names import probe_secret_name, signing_secret_name

Manifest = dict[str, Any]

PROBE_ENTRY = "probe"
"""Entry of the probe's Secret, and so the tenant to whom its pictures are booked."""
SEED_BYTES = 32
"""Of a signing key."""
_READABLE_BY_THE_GROUP = 0o440
_API_KEYS, _SIGNING, _LEDGER = "api-keys", "signing", "ledger"
_ROTATE_ANNOTATION = "hybriddiffusion.io/rotate-signing-key"
"""On the resource: set to another value than before, it asks for a new signing key. On the Secret: the value it had
when the newest key was made."""
_KEY = "key-"


def signing_secret(hd: HybridDiffusion, *, seed: bytes, number: int = 1) -> Manifest:
    """The signing key of a resource that names none, its seed as base64. The entry with the highest number signs."""
    name = signing_secret_name(hd.metadata.name)
    made = _secret(hd, name, component=_SIGNING, entry=_entry(number), value=base64.b64encode(seed).decode())
    if wish := _wish(hd):
        made["metadata"]["annotations"] = {_ROTATE_ANNOTATION: wish}
    return made


def rotated_signing_secret(hd: HybridDiffusion, live: Manifest, *, seed: bytes) -> Manifest | None:
    """What to change of the Secret that there is, where a new key is asked for: the one before goes on verifying.

    Only metadata of `live` is needed. Which entries there are is told by those who wrote them, so no key is ever read.
    """
    metadata, wish = live["metadata"], _wish(hd)
    if not wish or (metadata.get("annotations") or {}).get(_ROTATE_ANNOTATION) == wish:
        return None
    numbers = sorted(_numbers(metadata))
    change = signing_secret(hd, seed=seed, number=max(numbers, default=0) + 1)
    identity = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion")}
    return {
        **change,
        "metadata": {**identity, "annotations": change["metadata"]["annotations"]},
        "data": {**dict.fromkeys(map(_entry, numbers[:-1])), **change["data"]},
    }


def probe_secret(hd: HybridDiffusion, *, key: str) -> Manifest:
    """The API key of the deep probe."""
    return _secret(hd, probe_secret_name(hd.metadata.name), component=PROBE_ENTRY, entry=PROBE_ENTRY, value=key)


def volumes(hd: HybridDiffusion) -> tuple[list[Manifest], list[Manifest]]:
    """Volumes and mounts of an ingress pod."""
    signing = hd.spec.handoff.signing_key_secret_ref
    name = signing.name if signing else signing_secret_name(hd.metadata.name)
    found = {_SIGNING: {"secret": {"secretName": name, "defaultMode": _READABLE_BY_THE_GROUP}}}
    if hd.spec.ingress.api_keys_secret_ref:
        found[_API_KEYS] = {"projected": _all_api_keys(hd, hd.spec.ingress.api_keys_secret_ref.name)}
    return _mounted(found)


def ledger_volumes(hd: HybridDiffusion) -> tuple[list[Manifest], list[Manifest]]:
    """Volumes and mounts of every pod that books what it does: the address of the ledger, where there is one."""
    ref = hd.spec.cost.ledger_secret_ref if hd.spec.cost else None
    return _mounted(
        {_LEDGER: {"secret": {"secretName": ref.name, "defaultMode": _READABLE_BY_THE_GROUP}}} if ref else {}
    )


def _mounted(sources: dict[str, Manifest]) -> tuple[list[Manifest], list[Manifest]]:
    return (
        [{"name": name, **source} for name, source in sources.items()],
        [{"name": name, "mountPath": f"{MOUNT_PATH}/{name}", "readOnly": True} for name in sources],
    )


def _all_api_keys(hd: HybridDiffusion, name: str) -> Manifest:
    """The tenants' keys and the probe's own, in one folder."""
    probe = {"name": probe_secret_name(hd.metadata.name), "items": [{"key": PROBE_ENTRY, "path": PROBE_ENTRY}]}
    return {"defaultMode": _READABLE_BY_THE_GROUP, "sources": [{"secret": {"name": name}}, {"secret": probe}]}


def _wish(hd: HybridDiffusion) -> str:
    return (hd.metadata.annotations or {}).get(_ROTATE_ANNOTATION, "")


def _entry(number: int) -> str:
    return f"{_KEY}{number:06}"


def _numbers(metadata: Manifest) -> set[int]:
    """The numbers of our entries, by the record of who wrote which field."""
    written = [entry["fieldsV1"].get("f:data", {}) for entry in metadata.get("managedFields", [])]
    names = {name.removeprefix("f:") for fields in written for name in fields}
    digits = {name.removeprefix(_KEY) for name in names if name.startswith(_KEY)}
    return {int(each) for each in digits if each.isdecimal()}


def _secret(hd: HybridDiffusion, name: str, *, component: str, entry: str, value: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(hd, name, component=component),
        "type": "Opaque",
        "data": {entry: base64.b64encode(value.encode()).decode()},
    }
