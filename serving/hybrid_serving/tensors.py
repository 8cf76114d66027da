"""The payload of a handoff: float32 arrays and one line of text in the safetensors format.

Written canonically (sorted names, no spaces), so that equal contents are equal bytes in every language; read with every
length checked before it is believed. Meaning belongs to `handoff`.
"""

import json
import math
import struct
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_serving.handoff_errors import HandoffHeaderInvalid, HandoffTensorsInvalid, HandoffTooLarge, HandoffTruncated

Arrays = Mapping[str, NDArray[np.float32]]

MAX_HEADER_BYTES: Final = 1 << 20
MAX_TENSORS: Final = 16
MAX_AXES: Final = 4
_LENGTH: Final = struct.Struct("<Q")
_TEXT: Final = "handoff"
"""The only key of safetensors' free metadata: our header, as JSON."""
_KEYS: Final = {"dtype", "shape", "data_offsets"}


def write(text: str, *, arrays: Arrays) -> bytes:
    """The bytes of a safetensors file with `text` as its metadata."""
    header: dict[str, Any] = {"__metadata__": {_TEXT: text}}
    end = 0
    for name in sorted(arrays):
        start, end = end, end + arrays[name].nbytes
        header[name] = {"data_offsets": [start, end], "dtype": "F32", "shape": list(arrays[name].shape)}
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    data = [np.ascontiguousarray(arrays[name], dtype="<f4").tobytes() for name in sorted(arrays)]
    return b"".join([_LENGTH.pack(len(encoded)), encoded, *data])


def read_text(payload: bytes) -> tuple[str, dict[str, Any]]:
    """The metadata text and the index of arrays, none of which has been touched yet."""
    header = _header(payload)
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or set(metadata) != {_TEXT} or not isinstance(metadata[_TEXT], str):
        raise HandoffHeaderInvalid(f"The handoff's safetensors metadata must hold `{_TEXT}` and nothing else.")
    if len(header) > MAX_TENSORS:
        raise HandoffTooLarge(what="number of tensors", found=len(header), limit=MAX_TENSORS)
    return metadata[_TEXT], header


def read_arrays(payload: bytes, *, index: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
    """Copies of all arrays of `index`, which must cover the data without gap or overlap."""
    data = memoryview(payload)[_LENGTH.size + _header_size(payload) :]
    arrays, end = {}, 0
    for name, entry in index.items():
        shape = _shape(name, entry, start=end)
        start, end = end, end + 4 * math.prod(shape)
        if end > len(data):
            raise HandoffTensorsInvalid(f"Tensor `{name}` ends at byte {end} of {len(data)}.")
        arrays[name] = np.frombuffer(data[start:end], dtype="<f4").reshape(shape).astype(np.float32)
    if end != len(data):
        raise HandoffTensorsInvalid(f"The tensors cover {end} bytes of {len(data)}.")
    return arrays


def _header_size(payload: bytes) -> int:
    if len(payload) < _LENGTH.size:
        raise HandoffTruncated(found=len(payload), expected=_LENGTH.size)
    (size,) = _LENGTH.unpack_from(payload)
    if size > MAX_HEADER_BYTES:
        raise HandoffTooLarge(what="header length", found=size, limit=MAX_HEADER_BYTES)
    if size > len(payload) - _LENGTH.size:
        raise HandoffTruncated(found=len(payload), expected=_LENGTH.size + size)
    return int(size)


def _header(payload: bytes) -> dict[str, Any]:
    encoded = payload[_LENGTH.size : _LENGTH.size + _header_size(payload)]
    try:
        header = json.loads(encoded)
    except (ValueError, RecursionError) as error:
        raise HandoffHeaderInvalid(f"The handoff's safetensors header is not JSON: {error}.") from error
    if not isinstance(header, dict):
        raise HandoffHeaderInvalid("The handoff's safetensors header must be a JSON object.")
    return header


def _shape(name: str, entry: object, *, start: int) -> tuple[int, ...]:
    """The shape that an index entry claims, checked against its own offsets."""
    if not isinstance(entry, dict) or set(entry) != _KEYS:
        raise HandoffTensorsInvalid(f"Tensor `{name}` must have `dtype`, `shape` and `data_offsets`, and nothing else.")
    if entry["dtype"] != "F32":
        raise HandoffTensorsInvalid(f"Tensor `{name}` has the type {entry['dtype']!r}; every tensor must be `F32`.")
    shape = entry["shape"]
    if not isinstance(shape, list) or len(shape) > MAX_AXES or not all(map(_is_length, shape)):
        raise HandoffTensorsInvalid(f"Tensor `{name}` has no valid shape; expected at most {MAX_AXES} lengths.")
    expected = [start, start + 4 * math.prod(shape)]
    if entry["data_offsets"] != expected:
        raise HandoffTensorsInvalid(f"Tensor `{name}` must lie at the bytes {expected}, where its shape puts it.")
    return tuple(shape)


def _is_length(axis: object) -> bool:
    return type(axis) is int and 0 <= axis < 1 << 31
