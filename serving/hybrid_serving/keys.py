"""Ed25519 keys of handoffs: one signs, any that is known verifies.

Key material comes in as text and never leaves: nothing here reads a file, and no representation shows a private key.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What a key may be called: a key of a Kubernetes Secret, at most 64 characters."""
SIGNATURE_BYTES: Final = 64
_KEY_BYTES: Final = 32
_ALGORITHM: Final = "EdDSA"
_LISTS: Final = "hybriddiffusion.io/signing-keys"
"""Audience of the tokens by which keys vouch for one another."""
LIST_LIFETIME: Final = timedelta(hours=1)
"""A list of keys that was overheard is soon good for nothing."""


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


class TokenInvalidError(ValueError):
    """Text is no token of these keys for this purpose, or it is too old."""


def write_token(claims: Mapping[str, object], *, key: SigningKey, audience: str, expires_at: datetime) -> str:
    """A JSON Web Token (RFC 7519, RFC 8037): printable ASCII, which a handoff's signature can never be taken for."""
    claims = {**claims, "aud": audience, "exp": expires_at}
    return jwt.encode(claims, key.private, algorithm=_ALGORITHM, headers={"kid": key.id})


def read_token(text: str, *, keys: PublicKeys, audience: str, now: datetime) -> Mapping[str, Any]:
    """The claims of a token that one of `keys` signed for `audience`; raises `TokenInvalidError` for any other text."""
    try:
        key = keys.by_id[jwt.get_unverified_header(text)["kid"]]
        # Time is the caller's.
        options: Any = {"require": ["aud", "exp"], "verify_exp": False}
        claims = jwt.decode(text, key, algorithms=[_ALGORITHM], audience=audience, options=options)
        is_late = datetime.fromtimestamp(claims["exp"], tz=UTC) <= now
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise TokenInvalidError("this service did not sign it") from error
    if is_late:
        raise TokenInvalidError("it is too old")
    return claims


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of a service: the newest signs, all verify, so that a key can be replaced without losing handoffs."""

    keys: tuple[SigningKey, ...]
    """All of them, the newest last."""
    public: PublicKeys

    @property
    def signing(self) -> SigningKey:
        """The newest."""
        return self.keys[-1]

    def vouchers(self, *, now: datetime) -> dict[str, str]:
        """By key id what each key signed: the list of all keys as it is now."""
        claims = {"keys": self.public.to_texts()}
        until = now + LIST_LIFETIME
        return {key.id: write_token(claims, key=key, audience=_LISTS, expires_at=until) for key in self.keys}

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> "KeyRing":
        """Read base64 seeds by key id; the newest is the id that sorts last as text (so name keys by date)."""
        if not texts:
            raise KeyInvalidError("There is no signing key; add one as base64 of 32 random bytes.")
        keys = tuple(SigningKey.from_text(key_id, texts[key_id]) for key_id in sorted(texts))
        return cls(keys=keys, public=PublicKeys({key.id: key.private.public_key() for key in keys}))


def succeeded(believed: PublicKeys, *, vouchers: Mapping[str, object], now: datetime) -> PublicKeys:
    """The keys to believe after `believed`, as a list says that one of them signed; without one, the same.

    Keys that the list leaves out are believed no more, and only keys newer than all believed ones come in, so that an
    old list brings no old key back. Raises `KeyInvalidError` where what was signed is no list of keys.
    """
    for voucher_id in sorted(vouchers.keys() & believed.by_id.keys(), reverse=True):
        alone = PublicKeys({voucher_id: believed.by_id[voucher_id]})
        try:
            claims = read_token(str(vouchers[voucher_id]), keys=alone, audience=_LISTS, now=now)
        except TokenInvalidError:
            continue
        listed, known = claims.get("keys"), believed.to_texts()
        if not isinstance(listed, dict) or known[voucher_id] != listed.get(voucher_id):
            raise KeyInvalidError("What a key signed as the list of all keys is no list with that key in it.")
        newest = max(known)
        return PublicKeys.from_texts(
            {key_id: key for key_id, key in listed.items() if known.get(key_id) == key or key_id > newest}
        )
    return believed


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
