"""Which signing keys a device believes: those it was given, else those that it saw first (as SSH does).

Files only. A key that a pinned one vouches for is pinned as well, so keys can be replaced one after another. A service
that later signs with keys unlike the pinned ones is refused, because that is what an impostor would look like.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from hybrid_serving.keys import KeyInvalidError, PublicKeys, vouched


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


def given(text: str) -> PublicKeys:
    """The key of an option, `id=base64`."""
    key_id, separator, key = text.partition("=")
    if not separator:
        raise TrustError("A key is given as `id=base64`, as `/v1/capabilities` shows it.")
    try:
        return PublicKeys.from_texts({key_id: key})
    except KeyInvalidError as error:
        raise TrustError(str(error)) from error


def pin(url: str, *, folder: Path) -> Path:
    """The file of the keys pinned for `url`."""
    return folder / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', url)}.json"


def pinned(
    offered: Mapping[str, str], *, url: str, folder: Path, vouchers: Mapping[str, object] | None = None
) -> PublicKeys:
    """The keys pinned for `url`; on first use those that it offers are, later also those that a pinned one signed for.

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
        new = vouched(PublicKeys.from_texts(offered), vouchers=vouchers or {}, believed=keys).to_texts()
    except KeyInvalidError as error:
        raise TrustError(f"The signing key of {url} is none: {error}") from error
    believed = new | keys.to_texts()
    if believed != known:
        _write(path, believed)
    return PublicKeys.from_texts(believed)


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
