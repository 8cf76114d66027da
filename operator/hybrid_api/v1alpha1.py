"""The HybridDiffusion resource, version v1alpha1.

Text beneath a field is its documentation for users (`kubectl explain`). Every leaf carries a tag that says what a
change of it does. No I/O here, and no knowledge of Ray, Kubernetes clients or engines.
"""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from hybrid_api import budgets, rules
from hybrid_api.budgets import Budget
from hybrid_api.model import ApiModel, with_rules
from hybrid_api.placement import (
    EngineCache,
    IngressService,
    KubeRay,
    NetworkPolicy,
    PodMonitor,
    Rollout,
    Store,
)
from hybrid_api.pod_template import PodTemplate
from hybrid_api.references import ConfigMapRef, PodSecretRef, SecretRef
from hybrid_api.requests import Requests
from hybrid_api.scalars import PositiveDuration, parse_duration
from hybrid_api.segments import Segment
from hybrid_api.tags import Tag

GROUP = "hybriddiffusion.io"
VERSION = "v1alpha1"
KIND = "HybridDiffusion"
API_VERSION = f"{GROUP}/{VERSION}"


class Ingress(ApiModel):
    """The HTTP front: admission, routing between segments, answers."""

    replicas: Annotated[int, Tag.BOUNDS, Field(strict=True, ge=1, le=100)] = 1
    """How many ingress replicas answer."""
    api_keys_secret_ref: SecretRef | None = None
    """A Secret with one API key an entry; the entry's name is the tenant. Absent, no key is asked for."""
    service: IngressService = IngressService()
    """How the Service in front of the ingress is reached."""
    pod_template: Annotated[PodTemplate | None, Tag.PODS] = None
    """Merged into the ingress's pods; its container is named `ray`."""


class Handoff(ApiModel):
    """Trajectories that leave the cloud for a device, as signed files."""

    ttl: Annotated[PositiveDuration, Tag.TUNABLE] = parse_duration("5m")
    """How long a handoff is valid after it was issued."""
    signing_key_secret_ref: SecretRef | None = None
    """A Secret with one Ed25519 seed an entry, 32 bytes as base64; the entry's name is the key id. The last name in
    alphabetical order signs, any of them verifies. Absent, the operator makes `<name>-signing` with one key; set the
    resource's annotation `hybriddiffusion.io/rotate-signing-key` to a new value for a new key, beside which the one
    before still verifies and vouches for it to devices, or delete the Secret to distrust all, of which devices have to
    be told."""


class Cost(ApiModel):
    """Prices, so that every image can be priced."""

    currency: Annotated[str, Tag.TUNABLE, Field(pattern=r"^[A-Z]{3}$", max_length=3)]
    """Currency by its ISO 4217 code; the price list must state the same."""
    price_list_ref: ConfigMapRef
    """A ConfigMap of decimal strings: `currency`, and any of `cpuCoreHour`, `memoryGiBHour`, `gpuHour.<type>`,
    `egressGiB`, each the price of one unit."""
    budgets: Annotated[
        tuple[Budget, ...],
        Field(
            max_length=32,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["tenant", "window"],
            },
        ),
    ] = ()
    """What may be spent. Spending is watched and alerted on; nobody is refused for it."""
    ledger_secret_ref: PodSecretRef | None = None
    """A Secret whose entry `dsn` is the address of a PostgreSQL that keeps what was used, interval by interval. Absent,
    there are metrics and no history. On one machine the ledger is a file."""

    @field_validator("budgets")
    @classmethod
    def _check(cls, found: tuple[Budget, ...]) -> tuple[Budget, ...]:
        budgets.check(found)
        return found


class Spec(ApiModel):
    """What to serve, on what, to whom, at what price."""

    model_config = ConfigDict(json_schema_extra=with_rules(rules.NO_REPLICAS_BESIDE_AUTOSCALING))

    suspend: Annotated[bool, Tag.CLUSTER, Field(strict=True)] = False
    """Stop everything that runs and keep Service, keys and engine cache; set it back to go on."""
    replicas: Annotated[int | None, Tag.BOUNDS, Field(strict=True, ge=0, le=1000)] = None
    """Workers of the first segment, instead of its own `workers.replicas`: what `kubectl scale` sets. 0 stops
    everything, as `suspend` does. Refused beside the first segment's autoscaling."""
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
    store: Store | None = None
    """Outside memory for what must survive the head of the Ray cluster. Absent, there is none."""
    engine_cache: EngineCache | None = None
    """Where compiled engines are kept. Absent, every pod compiles its own when it starts."""
    rollout: Rollout = Rollout()
    """How a change that needs new pods is brought in."""
    network_policy: NetworkPolicy = NetworkPolicy()
    """Who may reach the pods."""
    pod_monitor: PodMonitor = PodMonitor()
    """Scraping by the Prometheus operator, where it is installed."""
    kube_ray: KubeRay | None = None
    """The Ray cluster beneath. Absent, the operator's defaults."""

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

    @model_validator(mode="after")
    def _check_replicas(self) -> Self:
        rules.NO_REPLICAS_BESIDE_AUTOSCALING.check(
            self.replicas is None or self.segments[0].workers.autoscaling is None
        )
        return self

    @property
    def is_stopped(self) -> bool:
        """Whether nothing shall run."""
        return self.suspend or self.replicas == 0


class Metadata(ApiModel):
    """The part of Kubernetes' object metadata that acts here."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, Tag.FIXED, Field(pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$", max_length=38)]
    """Names the application, the model in the HTTP API, and the Service, whose name must begin with a letter."""
    namespace: Annotated[str, Tag.CLUSTER] = "default"
    """Where the object lives."""
    uid: Annotated[str, Tag.CLUSTER] = ""
    """Names this object for ever, also after another one took its name."""
    generation: Annotated[int, Tag.CLUSTER] = 0
    """Counts changes of the spec."""
    annotations: Annotated[dict[str, str] | None, Tag.CLUSTER] = None
    """Notes of other programs."""


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
