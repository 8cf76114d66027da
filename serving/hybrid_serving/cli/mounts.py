"""Secrets as the files that Kubernetes would mount: written once more when they change, readable by their owner only.

Secrets reach replicas this way and no other; never through the Serve document, an environment variable or a log.
"""

import base64
import secrets
from collections.abc import Mapping
from pathlib import Path

from hybrid_serving.ledger import store

API_KEYS = "api-keys"
SIGNING = "signing"
PROBE_TENANT = "probe"
"""Whom the deep probe's picture is booked to."""

_SEED_BYTES = 32


def write(folder: Path, *, api_keys: Mapping[str, bytes], signing: Mapping[str, bytes]) -> None:
    """Make `folder` hold exactly these keys, and the probe's where there are API keys.

    A service without API keys is open, so it gets no key for the probe either. A signing key that is not given is made
    once and kept.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    probe = {PROBE_TENANT: probe_key(folder) or secrets.token_urlsafe(32).encode()} if api_keys else {}
    _replace(folder / API_KEYS, {**probe, **api_keys})
    _replace(folder / SIGNING, signing or _made(folder / SIGNING))


def write_ledger(folder: Path, *, path: Path) -> str:
    """Let replicas keep their history in the SQLite file `path`; returns its address."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    address = f"{store.SQLITE}{path}"
    _replace(folder / store.ADDRESS_FILE.parent, {store.ADDRESS_FILE.name: address.encode()})
    return address


def probe_key(folder: Path) -> bytes | None:
    """The probe's own API key; `None` where the service asks for none."""
    path = folder / API_KEYS / PROBE_TENANT
    return path.read_bytes() if path.is_file() else None


def _made(folder: Path) -> Mapping[str, bytes]:
    """The key made by an earlier run, so that devices which pinned it go on; else a new one."""
    kept = folder / "local"
    return {"local": kept.read_bytes() if kept.is_file() else base64.b64encode(secrets.token_bytes(_SEED_BYTES))}


def _replace(folder: Path, files: Mapping[str, bytes]) -> None:
    """Each file appears whole or not at all; what is no longer wanted goes last."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        if path.is_file() and path.read_bytes() == content:
            continue
        draft = folder / f".{name}"
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_bytes(content)
        draft.replace(path)
    for path in folder.iterdir():
        if path.name not in files:
            path.unlink()
