"""Ed25519 keys of handoffs: one signs, any that is known verifies.

Key material comes in as text and never leaves: nothing here reads a file, and no representation shows a private key.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What a key may be called: a key of a Kubernetes Secret, at most 64 characters."""
SIGNATURE_BYTES: Final = 64
_KEY_BYTES: Final = 32
_VOUCHER: Final = b"hybriddiffusion.io/signing-key\n"
"""Begins what a key signs to vouch for another; neither a handoff nor a receipt begins so."""


class KeyInvalidError(ValueError):
    """Text that should hold an Ed25519 key does not."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and its name."""

    id: str
    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def from_text(cls, key_id: str, text: str) -> "SigningKey":
        """Read the base64 of a raw 32-byte seed."""
        return cls(id=key_id, private=Ed25519PrivateKey.from_private_bytes(_decode(key_id, text)))

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of `message`."""
        return self.private.sign(message)


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """The keys whose signatures are believed, by key id."""

    by_id: Mapping[str, Ed25519PublicKey]

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> "PublicKeys":
        """Read base64 of raw 32-byte public keys, as `to_texts` writes them for devices."""
        return cls(
            {key_id: Ed25519PublicKey.from_public_bytes(_decode(key_id, text)) for key_id, text in texts.items()}
        )

    def to_texts(self) -> dict[str, str]:
        """Base64 of each raw public key."""
        return {key_id: base64.b64encode(key.public_bytes_raw()).decode() for key_id, key in self.by_id.items()}

    def has_signed(self, message: bytes, *, key_id: str, signature: bytes) -> bool:
        """Whether `signature` over `message` is that of the key `key_id`, which must be known."""
        try:
            self.by_id[key_id].verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of a service: the newest signs, all verify, so that a key can be replaced without losing handoffs."""

    signing: SigningKey
    public: PublicKeys
    older: tuple[SigningKey, ...] = ()
    """Those that vouch for the newest."""

    def vouchers(self) -> dict[str, str]:
        """By the id of each older key the base64 of its signature that the newest is one of ours."""
        message = _voucher(self.signing.id, self.public.by_id[self.signing.id])
        return {key.id: base64.b64encode(key.sign(message)).decode() for key in self.older}

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> "KeyRing":
        """Read base64 seeds by key id; the newest is the id that sorts last as text (so name keys by date)."""
        if not texts:
            raise KeyInvalidError("There is no signing key; add one as base64 of 32 random bytes.")
        keys = [SigningKey.from_text(key_id, texts[key_id]) for key_id in sorted(texts)]
        public = PublicKeys({key.id: key.private.public_key() for key in keys})
        return cls(signing=keys[-1], public=public, older=tuple(keys[:-1]))


def vouched(offered: PublicKeys, *, vouchers: Mapping[str, object], believed: PublicKeys) -> PublicKeys:
    """Those of the offered keys that a believed one vouches for, as `KeyRing.vouchers` says it."""
    found = {}
    for key_id, key in offered.by_id.items():
        message = _voucher(key_id, key)
        for voucher_id in vouchers.keys() & believed.by_id.keys():
            signature = _signature(vouchers[voucher_id])
            if signature and believed.has_signed(message, key_id=voucher_id, signature=signature):
                found[key_id] = key
    return PublicKeys(found)


def _voucher(key_id: str, key: Ed25519PublicKey) -> bytes:
    return _VOUCHER + key_id.encode("ascii") + b"\n" + key.public_bytes_raw()


def _signature(text: object) -> bytes | None:
    """What a voucher holds; a service that is none may answer with anything."""
    if not isinstance(text, str):
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _decode(key_id: str, text: str) -> bytes:
    if not KEY_ID.fullmatch(key_id):
        raise KeyInvalidError(f"`{key_id}` cannot name a key; use 1 to 64 letters, digits, `.`, `_` or `-`.")
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyInvalidError(f"Key `{key_id}` is not base64; write 32 bytes as base64.") from error
    if len(raw) != _KEY_BYTES:
        raise KeyInvalidError(f"Key `{key_id}` has {len(raw)} bytes; an Ed25519 key has {_KEY_BYTES}.")
    return raw
