"""What answers look like, for the OpenAPI page and for the tests that hold answers against it.

Documentation only: answers are built as plain objects in `answers`; checking pictures at run time would cost time.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Reply(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")


class ErrorBody(_Reply):
    """What went wrong."""

    message: str
    """A sentence: what was found, what was expected, what to do."""
    type: str
    """Family of errors, as OpenAI names them."""
    param: str | None
    """The field at fault."""
    code: str | None
    """Stable name of the error."""


class Error(_Reply):
    """Every answer that is not a success."""

    error: ErrorBody


class Picture(_Reply):
    """One picture."""

    b64_json: str
    """The file, base64."""


class TokenDetails(_Reply):
    """Tokens by kind."""

    text_tokens: int
    image_tokens: int


class Usage(_Reply):
    """Tokens: those of the prompts as the text encoder counts them, and one for each position of each latent."""

    input_tokens: int
    input_tokens_details: TokenDetails
    output_tokens: int
    output_tokens_details: TokenDetails
    total_tokens: int


class Cost(_Reply):
    """What the pictures cost; money as decimal strings, absent without a price list."""

    nanoseconds: dict[str, int]
    """Engine time in the cloud by segment."""
    rows: dict[str, dict[str, int]]
    """Engine rows by segment and kind of item."""
    egress_bytes: int
    """Bytes sent to the client, previews included."""
    currency: str | None = None
    """ISO 4217 code."""
    cloud: str | None = None
    """What was spent in the cloud."""
    all_cloud: str | None = None
    """What it would have cost with every step on the first segment."""
    saving: str | None = None
    """1 - cloud / all_cloud; `null` until the first segment was measured."""
    all_cloud_inputs: dict[str, int] | None = None
    """What `all_cloud` was computed from."""
    edge_seconds: str | None = None
    """What a device reported; nobody here pays for it."""


class Booked(_Reply):
    """How a picture came about, and what it cost."""

    id: str
    """Names the request in logs."""
    seed: str
    """Unsigned 64-bit, as a decimal string because JSON numbers of many clients end at 2^53."""
    sampler: str
    steps: int
    split: int
    """Step at which the first segment stopped."""
    split_reason: str
    """Why there."""
    guidance_scale: float
    cost: Cost


class Hybrid(Booked):
    """What this service adds to OpenAI's answer: everything needed to draw the same again, and what it cost."""

    negative_prompt: str


class Expected(Hybrid):
    """The same of a request that nobody draws."""

    cost: Cost | None  # type: ignore[assignment]  # wider on purpose: an estimate may not be had
    """`null` until every network that it needs was measured."""


class Estimate(_Reply):
    """What a request would cost."""

    object: Literal["estimate"]
    images: int
    wait_seconds: float
    """Predicted wait before its first steps."""
    hybrid: Expected


class _Echo(_Reply):
    background: Literal["opaque"]
    output_format: Literal["png", "jpeg", "webp"]
    quality: str
    size: str
    moderation: str | None = None
    safety_identifier: str | None = None


class Images(_Echo):
    """Pictures."""

    created: int
    """Seconds since the epoch."""
    data: list[Picture]
    usage: Usage
    system_fingerprint: str
    """The numerics domains that drew the pictures, in order; equal fingerprints and settings give equal bytes."""
    hybrid: Hybrid


class Reported(_Reply):
    """A booked report."""

    id: str
    hybrid: Booked | None
    """`null` for a report without a receipt: nobody knows what the cloud did before, and no picture is counted."""


class Model(_Reply):
    """A model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class Models(_Reply):
    """All models."""

    object: Literal["list"]
    data: list[Model]


class Health(_Reply):
    """The replica answers."""

    status: Literal["ok"]


class Size(_Reply):
    """A picture size."""

    size: str
    latent_shape: list[int] = Field(min_length=3, max_length=3)


class Segment(_Reply):
    """One network of the trajectory; `null` for what only a running engine can tell."""

    name: str
    runs_on: Literal["Cloud", "Edge"]
    network: str
    """Digest of weights and architecture; a device that finishes handoffs must have the same."""
    domain: str | None
    """Digest of the numerics domain."""
    is_batch_invariant: bool | None
    batch_sizes: list[int] | None


class Split(_Reply):
    """Where a request with all defaults is split."""

    steps: int
    step: int
    noise_level: float
    """Standard deviation of the noise at that boundary."""


class Capabilities(_Reply):
    """What the service can do."""

    model: str
    samplers: list[str]
    sizes: list[Size]
    output_formats: list[str]
    defaults: dict[str, Any]
    limits: dict[str, Any]
    segments: list[Segment]
    """In denoising order."""
    split: Split
    signing_keys: dict[str, str]
    """Ed25519 public keys, raw and base64, by key id; handoffs are signed with one of them."""
    signing_key_vouchers: dict[str, str]
    """By key id a JSON Web Token in which that key signed the list of all keys; good for an hour."""
