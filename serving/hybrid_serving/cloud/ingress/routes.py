"""The HTTP routes, each a few lines: who asks, what exactly, and which work answers it.

Everything that decides lives in the modules called from here. `create` gives a plain ASGI application, so that tests
and Serve run the same one.
"""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Header, Path, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hybrid_serving import envelope, handoff
from hybrid_serving.cloud.ingress import estimates, generations, handoffs, refusals, replies, reports
from hybrid_serving.cloud.ingress.capabilities import capabilities, model_card
from hybrid_serving.cloud.ingress.documentation import DESCRIPTION, HANDOFF_BODY, answers, describe, file, streamed
from hybrid_serving.cloud.ingress.errors import ApiError, json_response
from hybrid_serving.cloud.ingress.idempotency import scope
from hybrid_serving.cloud.ingress.limits import BodyLimit
from hybrid_serving.cloud.ingress.middleware import Authentication, Counting, Failures, RequestId
from hybrid_serving.cloud.ingress.respond import RecordedResponse
from hybrid_serving.cloud.ingress.schemas import GenerationRequest, HandoffReport, HandoffRequest
from hybrid_serving.cloud.ingress.service import Service

router = APIRouter()

_FINISH = "/v1/handoffs/finish"

IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="A repeat with the same key joins the request or gets its result."),
]


ReceiptHeader = Annotated[
    str | None,
    Header(
        alias=handoff.RECEIPT_HEADER,
        description="As it came with the handoff; with it the whole picture is on one bill.",
    ),
]


HandoffId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}-[0-9]{1,2}$", description="As the handoff names itself.")]


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Key = Security(HTTPBearer(auto_error=False, description="An API key; open services ask for none."))
"""For the page only: the key was checked before the route, in `Authentication`."""

Serving = Annotated[Service, Depends(_service)]


@router.post(
    "/v1/images/generations",
    responses=streamed(replies.Images, 400, 401, 404, 413, 422, 429, 503, 504),
    dependencies=[Key],
)
async def generate(
    body: GenerationRequest, request: Request, service: Serving, idempotency_key: IdempotencyKey = None
) -> Response:
    """Draw pictures; with `stream`, send previews on the way."""
    order = service.order(body, tenant=request.state.tenant)
    where = scope(order.tenant, request.url.path, idempotency_key)
    reader = service.answers.join(where, body=await request.body(), work=generations.work(service, order))
    return RecordedResponse(reader)


@router.post("/v1/images/estimates", responses=answers(replies.Estimate, 400, 401, 404, 413, 422), dependencies=[Key])
async def estimate(body: GenerationRequest, request: Request, service: Serving) -> Response:
    """Tell what a generation would cost, and draw nothing."""
    return json_response(estimates.estimate(service, service.order(body, tenant=request.state.tenant)))


@router.post("/v1/handoffs", responses=file(400, 401, 404, 413, 422, 429, 503, 504), dependencies=[Key])
async def hand_over(
    body: HandoffRequest, request: Request, service: Serving, idempotency_key: IdempotencyKey = None
) -> Response:
    """Run to the split and hand the rest over to a device, as a signed file."""
    order = service.order(body, tenant=request.state.tenant)
    where = scope(order.tenant, request.url.path, idempotency_key)
    reader = service.answers.join(where, body=await request.body(), work=handoffs.issue(service, order))
    return RecordedResponse(reader)


@router.post(
    _FINISH,
    responses=answers(replies.Images, 400, 401, 410, 413, 422, 429, 503, 504),
    dependencies=[Key],
    openapi_extra=HANDOFF_BODY,
)
async def finish_handoff(
    request: Request, service: Serving, idempotency_key: IdempotencyKey = None, receipt: ReceiptHeader = None
) -> Response:
    """Take a handoff back, unchanged, and finish it in the cloud."""
    scope(request.state.tenant, request.url.path, idempotency_key)
    body = await request.body()
    # A handoff is its own key: however often and by whomever it is given back, it is finished once. One that was
    # verified is not asked for its age again.
    where = ("finish", hashlib.sha256(body).hexdigest())
    if known := service.answers.known(where, body=body):
        return RecordedResponse(known)
    returned = handoffs.opened(service, body)
    booked = handoffs.receipt_of(service, returned.request, text=receipt)
    work = handoffs.finish(service, returned, tenant=request.state.tenant, receipt=booked)
    return RecordedResponse(service.answers.join(where, body=body, work=work))


@router.post(
    "/v1/handoffs/{handoff_id}/report", responses=answers(replies.Reported, 400, 401, 410, 413, 503), dependencies=[Key]
)
async def report_handoff(
    handoff_id: HandoffId, body: HandoffReport, service: Serving, receipt: ReceiptHeader = None
) -> Response:
    """Tell what a device did; with the handoff's receipt the answer has the cost of the picture."""
    return json_response(reports.book(service, handoff_id, said=body, receipt=receipt))


@router.get("/v1/models", responses=answers(replies.Models, 401), dependencies=[Key])
async def list_models(service: Serving) -> Response:
    """List the models: this service has one."""
    return json_response({"object": "list", "data": [model_card(service)]})


@router.get("/v1/models/{model}", responses=answers(replies.Model, 401, 404), dependencies=[Key])
async def show_model(model: str, service: Serving) -> Response:
    """Show one model."""
    if model != service.facts.model:
        message = f"The model does not exist; this service has `{service.facts.model}`."
        raise ApiError(message, code="model_not_found", param="model")
    return json_response(model_card(service))


@router.get("/v1/capabilities", responses=answers(replies.Capabilities, 401), dependencies=[Key])
async def show_capabilities(service: Serving) -> Response:
    """Tell samplers, limits, sizes, segments and signing keys."""
    return json_response(capabilities(service))


@router.get("/healthz", responses=answers(replies.Health))
async def check_health() -> Response:
    """Answer as long as this replica can; wakes no worker."""
    return json_response({"status": "ok"})


def create(service: Service, *, adds_request_id: bool = True) -> FastAPI:
    """The application over `service`; Serve adds request ids itself, so there `adds_request_id` is off."""
    app = FastAPI(
        title="Hybrid Diffusion",
        version="v1",
        description=DESCRIPTION,
        redoc_url=None,
        default_response_class=Response,
    )
    app.state.service = service
    app.include_router(router)
    app.add_exception_handler(RequestValidationError, refusals.invalid)
    app.add_exception_handler(HTTPException, refusals.http)
    app.add_exception_handler(ApiError, refusals.api)
    # Whatever handoff the service issues it also takes back.
    least_bytes = {_FINISH: envelope.MAX_BYTES}
    app.add_middleware(BodyLimit, limit_bytes=lambda: service.terms.body_bytes, least_bytes=least_bytes)
    app.add_middleware(Authentication, keys=service.keys)
    app.add_middleware(Failures)
    app.add_middleware(Counting, meter=service.accounts.counts.meter)
    describe(app)
    if adds_request_id:
        app.add_middleware(RequestId)
    return app
