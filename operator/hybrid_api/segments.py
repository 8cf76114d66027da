"""A stretch of the denoising trajectory: its network, its steps, its engine, its workers.

Part of the resource: text beneath a field is its documentation for users, its tag says what a change does.
"""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from hybrid_api import rules
from hybrid_api.model import ApiModel, with_rules
from hybrid_api.pod_template import PodTemplate
from hybrid_api.scalars import Duration, PositiveDuration, Share, StepShare, parse_duration
from hybrid_api.tags import KEY, Tag

Place = Literal["Cloud", "Edge"]
Backend = Literal["Auto", "TensorRT", "OpenVINO", "ONNXRuntime", "Eager"]
Precision = Literal["Auto", "F32", "BF16", "F16"]
Graph = Literal["Auto", "Static", "Dynamic"]
BatchSize = Annotated[int, Field(strict=True, ge=1, le=256)]


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

    model_config = ConfigDict(json_schema_extra=with_rules(rules.PRECISION_OF_THE_BACKEND, rules.GRAPH_OF_THE_BACKEND))

    backend: Annotated[Backend, Tag.FIXED] = "Auto"
    """`TensorRT` for NVIDIA GPUs, `OpenVINO` for x86 processors, `ONNXRuntime` for any processor, `Eager` for torch as
    it is; `Auto` takes the first of them that is installed and runs in the segment's pods."""
    precision: Annotated[Precision, Tag.FIXED] = "Auto"
    """`F32` on every backend, `BF16` on TensorRT and OpenVINO, `F16` on TensorRT; `Auto` is `F16` on TensorRT and `F32`
    elsewhere."""
    graph: Annotated[Graph, Tag.FIXED] = "Auto"
    """`Static` compiles one graph for every batch size: faster calls of few rows, but a start loads them all and each
    holds the weights. `Dynamic` compiles one for all. `Auto` is `Static` on TensorRT and `Dynamic` elsewhere."""
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
    def _check_sizes(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        rules.check_unique(sizes)
        return tuple(sorted(sizes))

    @model_validator(mode="after")
    def _check(self) -> Self:
        rules.PRECISION_OF_THE_BACKEND.check(rules.is_precision_of(self.backend, self.precision))
        rules.GRAPH_OF_THE_BACKEND.check(rules.is_graph_of(self.backend, self.graph))
        return self


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
    pod_template: Annotated[PodTemplate | None, Tag.PODS] = None
    """Merged into the workers' pods: maps merge, lists merge by `name` or `mountPath`, null removes, the rest replaces.
    The worker's container is named `ray`."""

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

    name: Annotated[
        str,
        Tag.FIXED,
        KEY,
        Field(
            pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$",
            max_length=20,
            json_schema_extra=with_rules(rules.NAME_OF_NO_OTHER_PODS),
        ),
    ]
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

    @field_validator("name")
    @classmethod
    def _check(cls, name: str) -> str:
        rules.NAME_OF_NO_OTHER_PODS.check(rules.is_name_of_no_other_pods(name))
        return name
