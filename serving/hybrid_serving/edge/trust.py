"""Which signing keys a device believes: those it was given, else those that it saw first (as SSH does).

Files only. Pins follow the service's own list of keys where a pinned key has signed it, so keys can be replaced one
after another. A service that later signs with keys unlike the pinned ones is refused, because that is what an impostor
would look like.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from hybrid_serving.keys import KeyInvalidError, PublicKeys, succeeded


class TrustError(Exception):
    """The service's keys cannot be believed."""


class KeysChanged(TrustError):  # what happened
    """The service signs with keys other than those pinned for its URL."""

    def __init__(self, *, url: str, path: Path) -> None:
        super().__init__(
            f"{url} signs with keys other than those seen before; if they were replaced on purpose, remove {path}."
        )


class KeyNotBelieved(TrustError):  # what happened
    """A handoff is signed with a key that this device was never told to believe."""

    def __init__(self, *, key_id: str, url: str, path: Path | None) -> None:
        """`path` is the file of the pinned keys; `None` where the keys were given."""
        told = f"those pinned in {path}" if path else "those that were given"
        remedy = f"remove {path}" if path else "give the new one, as `/v1/capabilities` shows it"
        super().__init__(
            f"{url} signs with the key `{key_id}`, which is not among {told}; if it was replaced on purpose, {remedy}."
        )


def given(text: str, *, vouchers: Mapping[str, object], now: datetime) -> PublicKeys:
    """The key of an option, `id=base64`, or those that it vouches for by now."""
    key_id, separator, key = text.partition("=")
    if not separator:
        raise TrustError("A key is given as `id=base64`, as `/v1/capabilities` shows it.")
    try:
        return succeeded(PublicKeys.from_texts({key_id: key}), vouchers=vouchers, now=now)
    except KeyInvalidError as error:
        raise TrustError(str(error)) from error


def pin(url: str, *, folder: Path) -> Path:
    """The file of the keys pinned for `url`."""
    return folder / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', url)}.json"


def pinned(
    offered: Mapping[str, str], *, vouchers: Mapping[str, object], url: str, folder: Path, now: datetime
) -> PublicKeys:
    """The keys pinned for `url`: on first use those that it offers, later those that pinned ones vouch for.

    A new key that only stands beside a pinned one is not believed: anybody can show a public key.
    """
    path = pin(url, folder=folder)
    if not offered:
        raise TrustError(f"{url} offers no key to verify handoffs with; it was started without a signing key.")
    known = _read(path)
    if known and not known.items() & offered.items():
        raise KeysChanged(url=url, path=path)
    try:
        keys = PublicKeys.from_texts(known or offered)
        believed = succeeded(keys, vouchers=vouchers, now=now) if known else keys
    except KeyInvalidError as error:
        raise TrustError(f"The signing key of {url} is none: {error}") from error
    if (texts := believed.to_texts()) != known:
        _write(path, texts)
    return believed


def _read(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise TrustError(f"{path} should hold the pinned keys and cannot be read; remove it to pin anew.") from error


def _write(path: Path, keys: Mapping[str, str]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(dict(keys), indent=1))
    draft.replace(path)
