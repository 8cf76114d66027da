"""Server-sent events as the official image clients read them.

Formats only; the pictures arrive here already encoded.
"""

import json
from collections.abc import Mapping
from typing import Any

from hybrid_serving.cloud.ingress.errors import ApiError

MEDIA_TYPE = "text/event-stream"
PARTIAL = "image_generation.partial_image"
COMPLETED = "image_generation.completed"
ERROR = "error"

KEEP_ALIVE_SECONDS = 15.0
KEEP_ALIVE = b": keep-alive\n\n"
"""A comment; parsers skip it, proxies between see that the connection lives."""


def event(name: str, data: Mapping[str, Any]) -> bytes:
    """One event; the name is repeated inside as `type`, which is what clients switch on."""
    body = json.dumps({"type": name, **data}, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"event: {name}\ndata: {body}\n\n".encode()


def error(failure: ApiError) -> bytes:
    """The last event of a stream that fails after it began."""
    return event(ERROR, failure.body())
