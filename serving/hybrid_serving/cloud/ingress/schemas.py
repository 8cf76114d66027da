"""The request bodies, and what is done with every field that an OpenAI client can send.

Checks what can be checked without the resource; `orders` holds the rest against its limits.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Treatment = Literal["honoured", "echoed", "refused"]

OPENAI_FIELDS: Mapping[str, Treatment] = {
    "background": "echoed",
    "complexity": "refused",
    "frame_count": "refused",
    "frame_duration_ms": "refused",
    "model": "honoured",
    "moderation": "echoed",
    "n": "honoured",
    "output_compression": "honoured",
    "output_format": "honoured",
    "partial_images": "honoured",
    "prompt": "honoured",
    "quality": "echoed",
    "response_format": "honoured",
    "safety_identifier": "echoed",
    "size": "honoured",
    "stream": "honoured",
    "style": "refused",
    "svg": "refused",
    "user": "echoed",
}
"""*Honoured* acts; *echoed* is checked, acts on nothing and comes back in the answer; *refused* is an error."""

REFUSALS: Mapping[str, str] = {
    "complexity": "there is no planning stage; use `steps` to spend more computation",
    "frame_count": "animations are not made",
    "frame_duration_ms": "animations are not made",
    "style": "there is one style; describe the one you want in `prompt`",
    "svg": "only raster pictures are made",
}
"""Why, and what to do instead."""

PROMPT_CHARACTERS = 32_000
SEED_MAX = 2**64 - 1


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not a boolean")  # pydantic reports ValueErrors only
    return value


_Guidance = Annotated[float, Field(ge=1.0, le=100.0, allow_inf_nan=False), BeforeValidator(_no_boolean)]
_Prompt = Annotated[str, Field(max_length=PROMPT_CHARACTERS)]


class GenerationRequest(BaseModel):
    """What picture to make. Fields without a mark are OpenAI's; `steps` and those below it are this service's own."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {"prompt": "a red circle above a blue square", "size": "64x64", "seed": 7},
                {"prompt": "a green triangle", "n": 2, "steps": 25, "split": "40%", "output_format": "webp"},
                {"prompt": "a yellow star on black", "stream": True, "partial_images": 2},
            ]
        },
    )

    prompt: Annotated[str, Field(min_length=1, max_length=PROMPT_CHARACTERS)]
    """What to draw."""
    model: str | None = None
    """The name under `/v1/models`; absent means that one."""
    n: Annotated[int, Field(ge=1, le=10)] | None = None
    """How many pictures; they share the seed and differ by their index."""
    size: Annotated[str, Field(pattern=r"^(auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$")] | None = None
    """`WIDTHxHEIGHT`, one of the sizes under `/v1/capabilities`, or `auto`."""
    response_format: Literal["b64_json"] | None = None
    """Pictures come inside the answer; links are not made."""
    output_format: Literal["png", "jpeg", "webp"] | None = None
    """Format of the pictures; png is lossless."""
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    """Quality in percent; for jpeg and webp only."""
    stream: bool | None = None
    """Send server-sent events instead of one answer."""
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    """How many previews to send before each picture; with `stream` only."""
    quality: Literal["low", "medium", "high", "xhigh", "max", "auto", "standard", "hd"] | None = None
    """Echoed; use `steps` to choose the quality."""
    background: Literal["opaque", "auto"] | None = None
    """Echoed; pictures are opaque."""
    moderation: Literal["low", "auto"] | None = None
    """Echoed; nothing is moderated."""
    user: Annotated[str, Field(max_length=512)] | None = None
    """Echoed as `safety_identifier`."""
    safety_identifier: Annotated[str, Field(max_length=512)] | None = None
    """Echoed."""
    steps: Annotated[int, Field(ge=1)] | None = None
    """Denoising steps over all segments together."""
    guidance_scale: _Guidance | None = None
    """Classifier-free guidance; 1 is unguided and half the work."""
    negative_prompt: _Prompt | None = None
    """What to steer away from."""
    seed: Annotated[int, Field(ge=0, le=SEED_MAX)] | Annotated[str, Field(pattern=r"^[0-9]{1,20}$")] | None = None
    """Unsigned 64-bit number, also as a decimal string; drawn where absent, and always returned as a string."""
    sampler: str | None = None
    """One of the samplers under `/v1/capabilities`."""
    split: Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=r"^(100|[1-9]?[0-9])%$")] | None = None
    """Where the large network stops: a step number, or a share of the steps such as `40%`."""


class DeviceProfile(BaseModel):
    """What a device measured about itself; the planner weighs it against the cloud."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    seconds_per_step: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """One guided step of the small network at this size."""
    seconds_to_decode: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Latent to pixels."""
    bytes_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """The link from the service to the device."""


class HandoffRequest(GenerationRequest):
    """A picture that a device wants to finish itself: one image, not streamed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"prompt": "a red circle above a blue square", "seed": "7", "split": 10}]}
    )

    n: Literal[1] | None = None
    """One picture a handoff."""
    stream: Literal[False] | None = None
    """Devices make their own previews."""
    partial_images: Literal[0] | None = None
    """Devices make their own previews."""
    device: DeviceProfile | None = None
    """What the device measured about itself; weighed where the split is a range."""


class HandoffReport(BaseModel):
    """What a device did with a handoff."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"seconds": 0.42, "steps": 15}]},
    )

    seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
    """Time the device computed."""
    steps: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Steps it ran."""
