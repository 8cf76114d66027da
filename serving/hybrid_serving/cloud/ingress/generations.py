"""The work behind `POST /v1/images/generations`: all pictures in one answer, or a stream of events.

Writes into a recording, so that repeats of the request can read along; knows no HTTP.
"""

import time
from collections.abc import Awaitable, Callable

from hybrid_serving.cloud.ingress import answers, dispatch, events, ways
from hybrid_serving.cloud.ingress.errors import json_bytes
from hybrid_serving.cloud.ingress.idempotency import Recording
from hybrid_serving.cloud.ingress.orders import Order
from hybrid_serving.cloud.ingress.previews import Feed
from hybrid_serving.cloud.ingress.service import Service, together
from hybrid_serving.protocol import Image, Preview, Work


def work(service: Service, order: Order) -> Callable[[Recording], Awaitable[None]]:
    """What makes the answer to `order`."""

    async def record(recording: Recording) -> None:
        service.admit(dispatch.Journey(rest=ways.through(order, segments=service.facts.segments)), order)
        await (_stream if order.request.stream else _answer)(service, order, recording)

    return record


async def _answer(service: Service, order: Order, recording: Recording) -> None:
    pictures = await together([_picture(service, order, image) for image in range(len(order.settings))])
    cost = service.accounts.pictures(order, pictures)
    body = answers.images(order, pictures, facts=service.facts, cost=cost, created=int(service.clock()))
    recording.append(json_bytes(body))


async def _stream(service: Service, order: Order, recording: Recording) -> None:
    recording.media_type = events.MEDIA_TYPE
    await together([_events(service, order, image, recording) for image in range(len(order.settings))])


async def _events(service: Service, order: Order, image: int, recording: Recording) -> None:
    """One image's events; a preview that a later one overtook before it was sent is left out."""
    began = time.monotonic()
    is_first, preview_bytes = True, 0

    async def send(preview: Preview) -> None:
        nonlocal is_first, preview_bytes
        data = await service.encode(preview.pixels, order)
        body = answers.partial(order, data, image=image, index=preview.index, created=int(service.clock()))
        recording.append(events.event(events.PARTIAL, body), topic=f"partial-{image}")
        service.accounts.previewed(order, size_bytes=len(data))
        preview_bytes += len(data)
        if is_first and image == 0:
            service.accounts.counts.previewed(time.monotonic() - began)
        is_first = False

    feed = Feed(send)
    picture = await _picture(service, order, image, on_preview=feed.offer)
    await feed.settle()
    cost = service.accounts.pictures(order, [picture], preview_bytes=preview_bytes)
    body = answers.completed(order, picture, image=image, facts=service.facts, cost=cost, created=int(service.clock()))
    recording.append(events.event(events.COMPLETED, body))


async def _picture(
    service: Service, order: Order, image: int, *, on_preview: Callable[[Preview], None] | None = None
) -> answers.Picture:
    """Run one image through its segments, encode it and price it."""
    settings = order.settings[image]
    image_work = Work(
        id=f"{order.id}-{image}",
        settings=settings,
        stop=settings.steps,
        deadline=order.deadline,
        previews=order.request.partial_images or 0,
    )
    journey = dispatch.begin(image_work, ways.through(order, segments=service.facts.segments))
    answer = await service.run(image_work, journey, order=order, on_preview=on_preview)
    assert isinstance(answer, Image), "the last leg goes to the end"
    data = await service.encode(answer.pixels, order)
    return answers.Picture(base64=data, bookings=tuple(journey.bookings))
