"""Secrets: those made once for a resource, and all of them as mounted files of ingress pods.

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
_READABLE_BY_THE_GROUP = 0o440
_API_KEYS, _SIGNING = "api-keys", "signing"


def signing_secret(hd: HybridDiffusion, *, seed: bytes, number: int = 1) -> Manifest:
    """The signing key of a resource that names none: 32 bytes as base64. The entry with the highest number signs."""
    entry = f"key-{number:06}"
    name = signing_secret_name(hd.metadata.name)
    return _secret(hd, name, component=_SIGNING, entry=entry, value=base64.b64encode(seed).decode())


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
    return (
        [{"name": name, **source} for name, source in found.items()],
        [{"name": name, "mountPath": f"{MOUNT_PATH}/{name}", "readOnly": True} for name in found],
    )


def _all_api_keys(hd: HybridDiffusion, name: str) -> Manifest:
    """The tenants' keys and the probe's own, in one folder."""
    probe = {"name": probe_secret_name(hd.metadata.name), "items": [{"key": PROBE_ENTRY, "path": PROBE_ENTRY}]}
    return {"defaultMode": _READABLE_BY_THE_GROUP, "sources": [{"secret": {"name": name}}, {"secret": probe}]}


def _secret(hd: HybridDiffusion, name: str, *, component: str, entry: str, value: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(hd, name, component=component),
        "type": "Opaque",
        "data": {entry: base64.b64encode(value.encode()).decode()},
    }
