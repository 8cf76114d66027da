"""The status of a HybridDiffusion: what the operator says of it. Never read from a user's manifest.

It holds nothing that moves by itself (rates, money that is spent): a steady resource's status is never written.
"""

from typing import Annotated, Literal

from pydantic import Field

from hybrid_api.model import ApiModel

_Text = Annotated[str, Field(max_length=32768)]
"""As long as Kubernetes allows a condition's message; a status that is refused says nothing at all."""
_Revision = Annotated[str, Field(max_length=8)]


class Condition(ApiModel):
    """One aspect, in the form of Kubernetes' API conventions."""

    type: Annotated[str, Field(max_length=63)]
    """`Available`, `Ready`, `Reconciling`, `Stalled`, `EnginesReady` or `PricesResolved`."""
    status: Literal["True", "False", "Unknown"]
    """Whether it is so."""
    reason: Annotated[str, Field(max_length=63)]
    """Why, in one stable word."""
    message: _Text
    """Why, in a sentence."""
    observed_generation: int
    """Generation of the resource that it speaks of."""
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When `status` last changed."""


class SegmentStatus(ApiModel):
    """One segment's engines."""

    name: Annotated[str, Field(max_length=20)]
    """Name of the segment."""
    engine: _Text | None = None
    """What was built for it, or found in the cache: a line an engine, with backend, precision and numerics domain."""
    message: _Text | None = None
    """Why it is not built, if it is not."""


class Rejected(ApiModel):
    """A revision that failed and is not tried again by itself."""

    revision: _Revision
    """Its name."""
    reason: Annotated[str, Field(max_length=63)]
    """Why, in one stable word."""
    message: _Text
    """Why, in a sentence."""
    retry: _Text | None = None
    """Value of the retry annotation that it was rejected under; another value tries it again."""


class SegmentPace(ApiModel):
    """How fast one segment is."""

    name: Annotated[str, Field(max_length=20)]
    """Name of the segment."""
    step_microseconds: int
    """One row of one step; a guided step has two rows."""


class Paces(ApiModel):
    """How long the picture took that proved the serving revision, drawn alone."""

    encode_microseconds: int
    """Encoding its text."""
    decode_microseconds: int
    """Decoding it."""
    segments: Annotated[tuple[SegmentPace, ...], Field(max_length=4)]
    """Its steps, segment by segment."""


class Estimate(ApiModel):
    """What pictures will cost in the cloud: requests with all defaults, drawn alone, the first segment running the most
    steps it may and devices finishing where they can. Engine time only: neither idle workers nor bytes sent. It is made
    from one picture and the prices of now, and no bill."""

    currency: Annotated[str, Field(max_length=3)]
    """Currency by its ISO 4217 code."""
    thousand_images: Annotated[str, Field(max_length=32)]
    """What a thousand pictures use."""
    thousand_images_all_cloud: Annotated[str, Field(max_length=32)]
    """The same with every step on the first segment."""
    saving: Annotated[str | None, Field(max_length=16)] = None
    """How much less the first is than the second."""
    paces: Paces
    """What it was made from."""


class Revisions(ApiModel):
    """Which revision of the pods does what."""

    serving: _Revision | None = None
    """The one that gets the requests."""
    updating: _Revision | None = None
    """The one that will."""
    rejected: Rejected | None = None
    """The last one that failed."""


class Status(ApiModel):
    """What the operator found and does."""

    observed_generation: int | None = None
    """Generation of the resource that this status speaks of."""
    replicas: int | None = None
    """Workers of the first segment."""
    selector: Annotated[str | None, Field(max_length=1024)] = None
    """Selects the first segment's pods, for autoscalers."""
    url: Annotated[str | None, Field(max_length=512)] = None
    """Where the service answers inside the cluster."""
    conditions: Annotated[
        tuple[Condition, ...] | None,
        Field(
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = None
    """How it stands, aspect by aspect."""
    segments: Annotated[
        tuple[SegmentStatus, ...] | None,
        Field(
            max_length=4, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        ),
    ] = None
    """The engines of each segment."""
    revisions: Revisions | None = None
    """Which revision of the pods does what."""
    estimate: Estimate | None = None
    """What pictures will cost; absent until one was drawn, or where there is no price."""
