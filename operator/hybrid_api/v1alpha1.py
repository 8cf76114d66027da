"""The HybridDiffusion resource, version v1alpha1.

Text beneath a field is its documentation for users (`kubectl explain`). Every leaf carries a tag that says what a
change of it does. No I/O here, and no knowledge of Ray, Kubernetes clients or engines.
"""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from hybrid_api import rules
from hybrid_api.model import ApiModel, with_rules
from hybrid_api.scalars import (
    Bytes,
    Duration,
    GuidanceScale,
    PictureSize,
    PositiveDuration,
    Share,
    Size,
    StepShare,
    parse_bytes,
    parse_duration,
)
from hybrid_api.tags import KEY, Tag

GROUP = "hybriddiffusion.io"
VERSION = "v1alpha1"
KIND = "HybridDiffusion"
API_VERSION = f"{GROUP}/{VERSION}"

Sampler = Literal["dpmpp-2m", "ddim", "euler", "euler-a", "lcm"]
Place = Literal["Cloud", "Edge"]
Backend = Literal["Auto", "OpenVINO", "Eager"]
Precision = Literal["Auto", "F32", "BF16"]
BatchSize = Annotated[int, Field(strict=True, ge=1, le=256)]


class SecretRef(ApiModel):
    """A Secret in the resource's own namespace."""

    name: Annotated[str, Tag.FIXED, Field(min_length=1, max_length=253)]
    """Name of the Secret. Its entries are mounted as files and read again when they change."""


class ConfigMapRef(ApiModel):
    """A ConfigMap in the resource's own namespace."""

    name: Annotated[str, Tag.TUNABLE, Field(min_length=1, max_length=253)]
    """Name of the ConfigMap."""


class Model(ApiModel):
    """Where a network's weights come from."""

    uri: Annotated[str, Tag.FIXED, Field(pattern=r"^(builtin|file)://[^\s]+$", max_length=512)]
    """`builtin://shapes/large` ships with the project; `file:///models/pair/large` is a diffusers folder in a pair's
    folder. The first segment's model supplies text encoder, decoder, tokenizer, preview map and quality curve."""


class Steps(ApiModel):
    """How many of a request's own steps a segment runs: a pinned `value`, or a range to choose from per request."""

    model_config = ConfigDict(json_schema_extra=with_rules(rules.VALUE_OR_RANGE, rules.RANGE_OF_ONE_UNIT))

    value: Annotated[StepShare | None, Tag.TUNABLE] = None
    """A share of the request's steps (`40%`) or a number of them (`10`)."""
    min: Annotated[StepShare | None, Tag.TUNABLE] = None
    """The fewest steps, as a share or a number. Needs `max`."""
    max: Annotated[StepShare | None, Tag.TUNABLE] = None
    """The most steps, as a share or a number like `min`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        rules.VALUE_OR_RANGE.check(rules.is_value_or_range(self.value, self.min, self.max))
        rules.RANGE_OF_ONE_UNIT.check(rules.is_range(self.min, self.max))
        return self

    @property
    def upper(self) -> Share:
        """The most that this segment may run."""
        return self.value or self.max or Share(number=0)


class Engine(ApiModel):
    """How the segment's networks are compiled and called. All of it is in the engine's key: a change compiles anew."""

    backend: Annotated[Backend, Tag.FIXED] = "Auto"
    """`OpenVINO`, or `Eager` for torch as it is; `Auto` takes OpenVINO on x86 processors."""
    precision: Annotated[Precision, Tag.FIXED] = "Auto"
    """`F32` or `BF16`; `Auto` is `F32` on processors."""
    batch_sizes: Annotated[
        tuple[BatchSize, ...],
        Tag.FIXED,
        Field(min_length=1, max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = (1, 2, 4, 8, 16)
    """Rows that one call can take; each is compiled and measured. A guided request has two rows a step."""
    threads: Annotated[int, Tag.FIXED, Field(strict=True, ge=1, le=256)] = 2
    """Threads of one engine. Results are bit-equal only between equal thread counts, so the host never decides."""

    @field_validator("batch_sizes")
    @classmethod
    def _check(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        rules.check_unique(sizes)
        return tuple(sorted(sizes))


class Autoscaling(ApiModel):
    """Workers follow the work: outstanding rows times the engine's measured time a row."""

    model_config = ConfigDict(json_schema_extra=with_rules(rules.MIN_UP_TO_MAX_REPLICAS))

    min_replicas: Annotated[int, Tag.BOUNDS, Field(strict=True, ge=0, le=1000)] = 1
    """The fewest workers; 0 lets the segment stop when nothing waits, and the next request wakes it."""
    max_replicas: Annotated[int, Tag.BOUNDS, Field(strict=True, ge=1, le=1000)]
    """The most workers."""
    target_queue_time: Annotated[PositiveDuration, Tag.TUNABLE] = parse_duration("1s")
    """How long the work waiting for one worker may take; more work brings more workers."""
    scale_down_delay: Annotated[Duration, Tag.BOUNDS] = parse_duration("5m")
    """How long fewer workers must suffice before one is taken away."""
    scale_to_zero_delay: Annotated[Duration, Tag.BOUNDS] = parse_duration("15m")
    """How long nothing may wait before the last worker is taken away."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        rules.MIN_UP_TO_MAX_REPLICAS.check(self.min_replicas <= self.max_replicas)
        return self


class Workers(ApiModel):
    """How many replicas denoise for a segment: a fixed number, or bounds to scale between."""

    model_config = ConfigDict(json_schema_extra=with_rules(rules.REPLICAS_OR_AUTOSCALING))

    replicas: Annotated[int | None, Tag.BOUNDS, Field(strict=True, ge=1, le=1000)] = None
    """A fixed number of workers."""
    autoscaling: Autoscaling | None = None
    """Bounds and target of scaling."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        rules.REPLICAS_OR_AUTOSCALING.check((self.replicas is None) != (self.autoscaling is None))
        return self

    @property
    def fewest(self) -> int:
        """The lower bound; a fixed number is its own bound."""
        return self.autoscaling.min_replicas if self.autoscaling else self.replicas or 1

    @property
    def most(self) -> int:
        """The upper bound; a fixed number is its own bound."""
        return self.autoscaling.max_replicas if self.autoscaling else self.replicas or 1


class Segment(ApiModel):
    """A stretch of the denoising trajectory with its own network."""

    name: Annotated[str, Tag.FIXED, KEY, Field(pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$", max_length=20)]
    """Unique within the resource; names the segment's workers, metrics and log lines."""
    runs_on: Annotated[Place, Tag.FIXED]
    """`Cloud`, or `Edge`: on the user's device, with this segment's workers as the fallback in the cloud."""
    model: Model
    """The network and where its weights come from."""
    steps: Steps | None = None
    """The steps this segment runs. The last segment runs what is left and has none."""
    engine: Engine = Engine()
    """How its networks are compiled and called."""
    workers: Workers = Workers(replicas=1)
    """How many replicas denoise for it."""


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
    images: Annotated[int, Tag.TUNABLE, Field(strict=True, ge=1, le=64)] = 4
    """The most images of one request."""
    sizes: Annotated[
        tuple[PictureSize, ...],
        Tag.FIXED,
        Field(min_length=1, max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ]
    """Sizes that can be asked for, each as width x height in pixels. An engine is compiled for each."""
    queue_time: Annotated[PositiveDuration, Tag.TUNABLE] = parse_duration("30s")
    """The longest predicted wait before a request is refused with 429 and told when to come back."""
    body_size: Annotated[Bytes, Tag.TUNABLE] = parse_bytes("1Mi")
    """The largest request body. Handoffs that a device sends back count too."""

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


class Ingress(ApiModel):
    """The HTTP front: admission, routing between segments, answers."""

    replicas: Annotated[int, Tag.BOUNDS, Field(strict=True, ge=1, le=100)] = 1
    """How many ingress replicas answer."""
    api_keys_secret_ref: SecretRef | None = None
    """A Secret with one API key an entry; the entry's name is the tenant. Absent, no key is asked for."""


class Handoff(ApiModel):
    """Trajectories that leave the cloud for a device, as signed files."""

    ttl: Annotated[PositiveDuration, Tag.TUNABLE] = parse_duration("5m")
    """How long a handoff is valid after it was issued."""
    max_attempts: Annotated[int, Tag.TUNABLE, Field(strict=True, ge=1, le=10)] = 2
    """How often one trajectory may leave the cloud before its own workers finish it."""
    signing_key_secret_ref: SecretRef | None = None
    """A Secret with one Ed25519 seed an entry, 32 bytes as base64; the entry's name is the key id. The last name in
    alphabetical order signs, any of them verifies. Absent, a key is made."""


class Cost(ApiModel):
    """Prices, so that every image can be priced."""

    currency: Annotated[str, Tag.TUNABLE, Field(pattern=r"^[A-Z]{3}$", max_length=3)]
    """Currency by its ISO 4217 code; the price list must state the same."""
    price_list_ref: ConfigMapRef
    """A ConfigMap of decimal strings: `currency`, and any of `cpuCoreHour`, `memoryGiBHour`, `gpuHour.<type>`,
    `egressGiB`, each the price of one unit."""


class Spec(ApiModel):
    """What to serve, on what, to whom, at what price."""

    segments: Annotated[
        tuple[Segment, ...],
        Field(
            min_length=1,
            max_length=4,
            json_schema_extra=with_rules(
                rules.STEPS_ON_ALL_BUT_THE_LAST,
                rules.STARTS_IN_THE_CLOUD,
                rules.EDGE_LAST,
                rules.SHARES_UP_TO_ALL,
                **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
            ),
        ),
    ]
    """Stretches of the trajectory in denoising order, usually two: a large network, then a small one."""
    requests: Requests
    """Defaults and limits of requests."""
    ingress: Ingress = Ingress()
    """The HTTP front."""
    handoff: Handoff = Handoff()
    """Handing trajectories over to devices."""
    cost: Cost | None = None
    """Prices. Absent, engine time is booked but not priced."""

    @field_validator("segments")
    @classmethod
    def _check(cls, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
        names = [segment.name for segment in segments]
        steps = [segment.steps for segment in segments]
        places = [segment.runs_on for segment in segments]
        rules.check_unique(names)
        rules.STEPS_ON_ALL_BUT_THE_LAST.check(all(steps[:-1]) and steps[-1] is None)
        rules.STARTS_IN_THE_CLOUD.check(places[0] == "Cloud")
        rules.EDGE_LAST.check(places == sorted(places))  # "Cloud" sorts before "Edge"
        rules.SHARES_UP_TO_ALL.check(sum(each.upper.percent or 0 for each in steps if each) <= 100)
        return segments


class Metadata(ApiModel):
    """The part of Kubernetes' object metadata that acts here."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, Tag.FIXED, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=38)]
    """Names the application, and the model in the HTTP API."""


class HybridDiffusion(ApiModel):
    """A text-to-image service that splits every trajectory between a large U-Net in the cloud and a small one at the
    edge."""

    api_version: Literal["hybriddiffusion.io/v1alpha1"] = "hybriddiffusion.io/v1alpha1"
    """Version of the schema."""
    kind: Literal["HybridDiffusion"] = "HybridDiffusion"
    """Kind of the object."""
    metadata: Metadata
    """Standard object metadata."""
    spec: Spec
    """What to serve, on what, to whom, at what price."""
