"""The outside of a handoff: magic, version, key id, signature, length, payload.

Bounds come first, then the signature, and only then does anybody look into the payload. This module never does.
"""

import struct
from dataclasses import dataclass
from typing import Final

from hybrid_serving.handoff_errors import (
    HandoffForged,
    HandoffKeyUnknown,
    HandoffTooLarge,
    HandoffTrailing,
    HandoffTruncated,
    HandoffVersionUnknown,
    NotAHandoff,
)
from hybrid_serving.keys import SIGNATURE_BYTES, PublicKeys, SigningKey

MAGIC: Final = b"\x89HDHO\r\n\x1a"
"""As PNG's: not text, and broken by whatever converts line ends or strips the eighth bit."""
VERSION: Final = 1
MAX_BYTES: Final = 16 << 20
"""SDXL at 1024² with both embeddings takes 2 MB."""
_BYTE: Final = struct.Struct("<B")
_VERSION: Final = struct.Struct("<H")
_LENGTH: Final = struct.Struct("<I")


def seal(payload: bytes, *, key: SigningKey) -> bytes:
    """Sign `payload`; the signature covers every other byte of the result."""
    name = key.id.encode("ascii")
    before = MAGIC + _VERSION.pack(VERSION) + _BYTE.pack(len(name)) + name
    after = _LENGTH.pack(len(payload)) + payload
    size = len(before) + SIGNATURE_BYTES + len(after)
    if size > MAX_BYTES:
        raise HandoffTooLarge(what="size in bytes", found=size, limit=MAX_BYTES)
    return before + key.sign(before + after) + after


def open_sealed(data: bytes, *, keys: PublicKeys) -> bytes:
    """The payload of a sealed file, once its bounds hold and its signature is one of ours."""
    if len(data) > MAX_BYTES:
        raise HandoffTooLarge(what="size in bytes", found=len(data), limit=MAX_BYTES)
    if not MAGIC.startswith(data[: len(MAGIC)]):
        raise NotAHandoff
    reader = _Reader(data, position=0)
    reader.take(len(MAGIC))
    if (version := reader.take_number(_VERSION)) != VERSION:
        raise HandoffVersionUnknown(found=version, known=VERSION)
    key_id = reader.take(reader.take_number(_BYTE)).decode("ascii", errors="backslashreplace")
    signed_before = data[: reader.position]
    signature = reader.take(SIGNATURE_BYTES)
    signed_after = data[reader.position :]
    if (length := reader.take_number(_LENGTH)) > MAX_BYTES:
        raise HandoffTooLarge(what="payload's length", found=length, limit=MAX_BYTES)
    payload = reader.take(length)
    if excess := len(data) - reader.position:
        raise HandoffTrailing(excess=excess)
    if key_id not in keys.by_id:
        raise HandoffKeyUnknown(key_id=key_id, known=keys.by_id)
    if not keys.has_signed(signed_before + signed_after, key_id=key_id, signature=signature):
        raise HandoffForged(key_id=key_id)
    return payload


@dataclass(slots=True)
class _Reader:
    data: bytes
    position: int

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise HandoffTruncated(found=len(self.data), expected=end)
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def take_number(self, kind: struct.Struct) -> int:
        (number,) = kind.unpack(self.take(kind.size))
        return int(number)
