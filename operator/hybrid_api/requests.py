"""What a request gets that does not say otherwise, and the most that it may ask for.

Part of the resource: text beneath a field is its documentation for users, its tag says what a change does.
"""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from hybrid_api import rules
from hybrid_api.model import ApiModel, with_rules
from hybrid_api.scalars import (
    Bytes,
    GuidanceScale,
    PictureSize,
    PositiveDuration,
    Size,
    parse_bytes,
    parse_duration,
)
from hybrid_api.tags import Tag

Sampler = Literal["dpmpp-2m", "unipc-2", "ddim", "euler", "euler-a", "lcm"]


class Defaults(ApiModel):
    """What a request gets that does not say otherwise."""

    sampler: Annotated[Sampler, Tag.TUNABLE] = "dpmpp-2m"
    """The sampler, by its name in the HTTP API."""
    steps: Annotated[int, Tag.TUNABLE, Field(strict=True, ge=1, le=1000)] = 25
    """Denoising steps over all segments."""
    guidance_scale: Annotated[GuidanceScale, Tag.TUNABLE] = Decimal("5.0")
    """Strength of classifier-free guidance, a decimal string. `"1.0"` is unguided and costs half."""
    size: Annotated[PictureSize | None, Tag.TUNABLE] = None
    """Width x height in pixels; absent, the first of `limits.sizes`."""
    deadline: Annotated[PositiveDuration, Tag.TUNABLE] = parse_duration("60s")
    """Time from arrival to answer. Work that cannot meet it gives way to work that can."""


class Limits(ApiModel):
    """What a request may ask for. More is refused, naming the field."""

    steps: Annotated[int, Tag.TUNABLE, Field(strict=True, ge=1, le=1000)] = 100
    """The most denoising steps."""
    images: Annotated[int, Tag.TUNABLE, Field(strict=True, ge=1, le=10)] = 4
    """The most images of one request; OpenAI's API ends at 10."""
    sizes: Annotated[
        tuple[PictureSize, ...],
        Tag.FIXED,
        Field(min_length=1, max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ]
    """Sizes that can be asked for, each as width x height in pixels. An engine is compiled for each."""
    queue_time: Annotated[PositiveDuration, Tag.TUNABLE] = parse_duration("30s")
    """The longest predicted wait before a request is refused with 429 and told when to come back."""
    body_size: Annotated[Bytes, Tag.TUNABLE] = parse_bytes("1Mi")
    """The largest request body; a handoff that was issued is taken back whatever its size."""

    @field_validator("sizes")
    @classmethod
    def _check(cls, sizes: tuple[Size, ...]) -> tuple[Size, ...]:
        rules.check_unique(sizes)
        return sizes


class Requests(ApiModel):
    """Defaults and limits of requests."""

    model_config = ConfigDict(
        json_schema_extra=with_rules(rules.DEFAULT_STEPS_WITHIN_LIMIT, rules.DEFAULT_SIZE_AMONG_SIZES)
    )

    defaults: Defaults = Defaults()
    """What a request gets that does not say otherwise."""
    limits: Limits
    """What a request may ask for."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        size: Size | None = self.defaults.size
        rules.DEFAULT_STEPS_WITHIN_LIMIT.check(self.defaults.steps <= self.limits.steps)
        rules.DEFAULT_SIZE_AMONG_SIZES.check(size is None or size in self.limits.sizes)
        return self
