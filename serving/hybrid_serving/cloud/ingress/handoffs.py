"""Trajectories that leave for a device, come back unfinished, or are reported as done.

A handoff is believed as far as our own signature reaches; what a device computed never comes back in. Knows no HTTP.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from hybrid_api.scalars import Size
from hybrid_serving import handoff as files
from hybrid_serving import keys
from hybrid_serving import sampler as samplers
from hybrid_serving.cloud.ingress import answers, dispatch, receipts, ways
from hybrid_serving.cloud.ingress.errors import ApiError, json_bytes
from hybrid_serving.cloud.ingress.idempotency import Recording
from hybrid_serving.cloud.ingress.orders import Order
from hybrid_serving.cloud.ingress.planning import Plan
from hybrid_serving.cloud.ingress.receipts import Receipt
from hybrid_serving.cloud.ingress.schemas import GenerationRequest
from hybrid_serving.cloud.ingress.service import Service
from hybrid_serving.handoff import Handoff
from hybrid_serving.protocol import Image, Released, Work

_RECEIPT_TTLS = 2
"""Reports may come late; a receipt is valid for twice as long as its handoff."""


def issue(service: Service, order: Order) -> Callable[[Recording], Awaitable[None]]:
    """What runs an order up to the device's segment and records the signed handoff."""
    route = ways.out(order, segments=service.facts.segments)

    async def record(recording: Recording) -> None:
        ring = service.signing.ring()
        work = Work(id=f"{order.id}-0", settings=order.settings[0], stop=route[-1].stop, deadline=order.deadline)
        journey = dispatch.begin(work, route)
        service.admit(journey, order)
        answer = await service.run(work, journey, order=order)
        assert isinstance(answer, Released), "the last leg stops before the end"
        data = _packed(_handoff(service, work, answer), key=ring.signing)
        receipt = Receipt.of(
            order, handoff=work.id, facts=service.facts, bookings=journey.bookings, egress_bytes=len(data)
        )
        valid = timedelta(seconds=service.terms.handoff_seconds * _RECEIPT_TTLS)
        service.accounts.handed_over(order, size_bytes=len(data))
        recording.media_type = files.MEDIA_TYPE
        recording.headers[files.RECEIPT_HEADER] = receipts.sign(receipt, ring=ring, expires_at=service.now() + valid)
        recording.append(data)

    return record


def opened(service: Service, data: bytes) -> Handoff:
    """The handoff in `data`, if we signed it, it is in time, and it fits the networks of now."""
    try:
        return _accepted(service, data)
    except (files.HandoffError, ApiError):
        service.accounts.counts.handoff("refused")
        raise


def _accepted(service: Service, data: bytes) -> Handoff:
    handoff = files.unpack(data, keys=service.signing.ring().public, now=service.now())
    if dict(handoff.networks) != service.facts.networks:
        message = "The handoff was made for other networks than this service has now; ask for a new one."
        raise ApiError(message, code="handoff_network_changed")
    if (size := Size(width=handoff.settings.width, height=handoff.settings.height)) not in service.facts.sizes:
        message = f"The handoff is of size {size}, for which this service has no networks now; ask for a new one."
        raise ApiError(message, code="handoff_network_changed")
    return handoff


def receipt_of(service: Service, handoff_id: str, *, text: str | None) -> Receipt | None:
    """The receipt that came back with a handoff, or nothing; raises `ApiError` for one that is not its own."""
    if text is None:
        return None
    receipt = receipts.read(text, handoff=handoff_id, keys=service.signing.ring().public, now=service.now())
    if (receipt.model, receipt.networks) != (service.facts.model, service.facts.networks):
        message = "The receipt was made for other networks than this service has now, which cannot price it."
        raise ApiError(message, code="handoff_network_changed")
    return receipt


def finish(
    service: Service, handoff: Handoff, *, tenant: str, receipt: Receipt | None
) -> Callable[[Recording], Awaitable[None]]:
    """What finishes a verified handoff on the cloud workers of its segments."""
    order = _returned(service, handoff, tenant=tenant)
    position = handoff.state.position
    route = ways.home(position, order=order, segments=service.facts.segments, shares=service.terms.shares)

    async def record(recording: Recording) -> None:
        work = Work(
            id=f"{order.id}-finish",
            settings=handoff.settings,
            stop=order.steps,
            deadline=order.deadline,
            state=handoff.state,
            conditioning=handoff.conditioning or None,
        )
        journey = dispatch.begin(work, route)
        service.admit(journey, order)
        answer = await service.run(work, journey, order=order)
        assert isinstance(answer, Image), "the last leg goes to the end"
        picture = answers.Picture(
            base64=await service.encode(answer.pixels, order),
            bookings=(*(receipt.bookings if receipt else ()), *journey.bookings),
        )
        cost = service.accounts.finished(order, picture, handoff=handoff.request, receipt=receipt)
        body = answers.images(order, [picture], facts=service.facts, cost=cost, created=int(service.clock()))
        recording.append(json_bytes(body))

    return record


def _packed(handoff: Handoff, *, key: keys.SigningKey) -> bytes:
    try:
        return files.pack(handoff, key=key)
    except files.HandoffError as error:
        # Not the client's fault, as it would be on the way in.
        raise RuntimeError("A segment released a state that cannot be handed over.") from error


def _handoff(service: Service, work: Work, released: Released) -> Handoff:
    now = service.now()
    table = samplers.compile_table(service.facts.schedule, sampler=work.settings.sampler, steps=work.settings.steps)
    return Handoff(
        request=work.id,
        model=service.facts.model,
        networks=service.facts.networks,
        table=table.rest(released.state.position),
        state=released.state,
        settings=work.settings,
        conditioning=released.conditioning,
        issued_at=now,
        expires_at=now + timedelta(seconds=service.terms.handoff_seconds),
        domain=released.domain,
    )


def _returned(service: Service, handoff: Handoff, *, tenant: str) -> Order:
    """The order behind a handoff; its presentation is the default, because the handoff does not carry any."""
    return Order(
        id=handoff.request,
        tenant=tenant,
        settings=(handoff.settings,),
        rows_a_step=service.facts.rows_a_step(handoff.settings),
        plan=Plan((handoff.state.position,), "as handed over"),
        deadline=service.clock() + service.terms.deadline_seconds,
        prices=service.terms.prices,
        request=GenerationRequest(prompt=handoff.settings.prompt),
    )
