"""The OpenAPI page: what every route answers, and how to authenticate.

Describes only; no route reads anything from here at run time.
"""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from hybrid_serving.cloud.ingress import events, replies
from hybrid_serving.handoff import MEDIA_TYPE, RECEIPT_HEADER

Responses = dict[int | str, dict[str, Any]]

DESCRIPTION = """
Text-to-image diffusion split between a large network in the cloud and a small one on your device.

`POST /v1/images/generations` is OpenAI's; `steps`, `guidance_scale`, `negative_prompt`, `seed`, `sampler` and `split`
are this service's own fields beside it. Devices ask for a handoff, finish the picture themselves and report; what they
cannot finish they give back. Equal prompt, seed and settings give equal bytes where `system_fingerprint` is equal.
"""

_REFUSALS = {
    400: "A field is unknown, missing or out of bounds; `param` names it.",
    401: "The API key is missing or unknown.",
    404: "No such model.",
    410: "The handoff is too old, spent, or made for other networks.",
    413: "The body is too large.",
    422: "The `Idempotency-Key` was used with another body.",
    429: "The predicted wait is too long; `Retry-After` says when to come back.",
    503: "No worker can take work now.",
    504: "The picture was not finished in time.",
}


def answers(model: type[BaseModel], *refusals: int) -> Responses:
    """The success of a route and the ways in which it refuses."""
    return {200: {"model": model}, **_refused(*refusals)}


def streamed(model: type[BaseModel], *refusals: int) -> Responses:
    """Like `answers`, with the stream that `stream: true` asks for."""
    example = f'event: {events.COMPLETED}\ndata: {{"type":"{events.COMPLETED}","b64_json":"…","usage":{{}}}}\n\n'
    stream = {events.MEDIA_TYPE: {"schema": _EVENT, "example": example}}
    return {200: {"model": model, "content": stream}, **_refused(*refusals)}


def file(*refusals: int) -> Responses:
    """A route that answers with a handoff."""
    return {
        200: {"description": "The handoff.", "content": {MEDIA_TYPE: {"schema": _BINARY}}, "headers": _RECEIPT},
        **_refused(*refusals),
    }


_BINARY = {"type": "string", "format": "binary"}
_RECEIPT = {
    RECEIPT_HEADER: {
        "description": "To be sent along, unchanged, with the report on this handoff, or when it is given back.",
        "schema": {"type": "string"},
    }
}
_EVENT = {
    "type": "object",
    "description": "One event of the stream; `data` is a JSON object that repeats the name as `type`.",
    "properties": {
        "event": {"enum": [events.PARTIAL, events.COMPLETED, events.ERROR]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
}

HANDOFF_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": _BINARY}}}}
"""The body of `POST /v1/handoffs/finish`, which the framework does not parse."""


def describe(app: FastAPI) -> None:
    """Let `app` describe what it really answers: refusals are 400, not the framework's 422."""
    framework = app.openapi

    def openapi() -> dict[str, Any]:
        document = framework()
        for path in document["paths"].values():
            for operation in path.values():
                answer = operation["responses"].get("422", {})
                if "HTTPValidationError" in str(answer):
                    del operation["responses"]["422"]
        for name in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(name, None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _refused(*statuses: int) -> Responses:
    return {status: {"model": replies.Error, "description": _REFUSALS[status]} for status in statuses}
