"""What clients get back: the bodies of answers and events, from an order and what became of it.

Shapes only; nothing here waits, computes prices or encodes pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hybrid_serving.cloud.ingress.dispatch import Booking
from hybrid_serving.cloud.ingress.facts import Facts
from hybrid_serving.cloud.ingress.orders import Order
from hybrid_serving.cloud.ingress.receipts import Receipt

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished image, encoded."""

    base64: str
    bookings: tuple[Booking, ...]
    """What its journey was made of, in order."""


def images(order: Order, pictures: Sequence[Picture], *, facts: Facts, cost: Object, created: int) -> Object:
    """The answer to `POST /v1/images/generations`."""
    return {
        "created": created,
        "data": [{"b64_json": picture.base64} for picture in pictures],
        **_echo(order),
        **({"safety_identifier": _identifier(order)} if _identifier(order) else {}),
        "usage": usage(order, facts=facts, images=len(pictures)),
        "system_fingerprint": fingerprint(pictures),
        "hybrid": hybrid(order, cost=cost),
    }


def completed(order: Order, picture: Picture, *, image: int, facts: Facts, cost: Object, created: int) -> Object:
    """Data of an `image_generation.completed` event."""
    return {
        "b64_json": picture.base64,
        "created_at": created,
        **_echo(order),
        **({"safety_identifier": _identifier(order)} if _identifier(order) else {}),
        "image_index": image,
        "usage": usage(order, facts=facts, images=1),
        "system_fingerprint": fingerprint([picture]),
        "hybrid": hybrid(order, cost=cost),
    }


def partial(order: Order, base64: str, *, image: int, index: int, created: int) -> Object:
    """Data of an `image_generation.partial_image` event."""
    return {
        "b64_json": base64,
        "partial_image_index": index,
        "created_at": created,
        **_echo(order),
        "image_index": image,
    }


def usage(order: Order, *, facts: Facts, images: int) -> Object:
    """Tokens: those of the prompts as the text encoder counts them, and a token for each position of each latent."""
    settings = order.settings[0]
    text = facts.count_tokens(settings.prompt)
    text += facts.count_tokens(settings.negative_prompt) if settings.negative_prompt else 0
    _, height, width = facts.latent_shape(order.pixels)
    output = height * width * images
    return {
        "input_tokens": text,
        "input_tokens_details": {"text_tokens": text, "image_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": output},
        "total_tokens": text + output,
    }


def fingerprint(pictures: Sequence[Picture]) -> str:
    """The numerics domains that pictures went through, in order, each once: equal fingerprints mean equal bytes."""
    return "-".join(dict.fromkeys(booking.domain for picture in pictures for booking in picture.bookings))


def hybrid(order: Order, *, cost: Object | None) -> Object:
    """What this service adds: everything needed to draw the same again, and what it cost."""
    return {**order.described(), "negative_prompt": order.settings[0].negative_prompt, "cost": cost}


def reported(receipt: Receipt, *, cost: Object) -> Object:
    """The same of a picture that a device finished; its prompts never came back."""
    return {**receipt.described, "id": receipt.handoff, "cost": cost}


def _echo(order: Order) -> Object:
    """What OpenAI's answers repeat of the request."""
    request = order.request
    return {
        "background": "opaque",
        "output_format": order.output_format,
        "quality": request.quality or "auto",
        "size": order.size,
        **({"moderation": request.moderation} if request.moderation else {}),
    }


def _identifier(order: Order) -> str | None:
    return order.request.safety_identifier or order.request.user
