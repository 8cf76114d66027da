"""Where and how it runs on Kubernetes: Ray's pods, engine cache, rollout, what stands around the pods.

Part of the resource: text beneath a field is its documentation for users, its tag says what a change does. `hybrid
serve` has no use for any of it.
"""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from hybrid_api import rules
from hybrid_api.model import ApiModel, with_rules
from hybrid_api.pod_template import PodTemplate
from hybrid_api.references import EntryKey, ObjectName
from hybrid_api.scalars import Duration, PositiveDuration, parse_duration
from hybrid_api.tags import Tag


class IngressService(ApiModel):
    """The Service in front of the ingress."""

    type: Annotated[Literal["ClusterIP", "NodePort", "LoadBalancer"], Tag.CLUSTER] = "ClusterIP"
    """`ClusterIP`, `NodePort` or `LoadBalancer`."""


class VolumeClaim(ApiModel):
    """A PersistentVolumeClaim in the resource's own namespace."""

    claim_name: Annotated[ObjectName, Tag.PODS]
    """Name of the claim. Several nodes need one that can be mounted by many."""


class EngineCache(ApiModel):
    """Where compiled engines are kept."""

    model_config = ConfigDict(json_schema_extra=with_rules(rules.CLAIM_FOR_ITS_TYPE))

    type: Annotated[Literal["PersistentVolumeClaim", "Ephemeral"], Tag.PODS]
    """`PersistentVolumeClaim`: compiled once by a Job and shared. `Ephemeral`: each pod compiles its own."""
    persistent_volume_claim: VolumeClaim | None = None
    """The claim, for that type."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        named = self.persistent_volume_claim is not None
        rules.CLAIM_FOR_ITS_TYPE.check((self.type == "PersistentVolumeClaim") == named)
        return self


class SecretKeyRef(ApiModel):
    """One entry of a Secret in the resource's own namespace."""

    name: Annotated[ObjectName, Tag.PODS]
    """Name of the Secret."""
    key: Annotated[EntryKey, Tag.PODS]
    """Name of its entry."""


class Redis(ApiModel):
    """A Redis that somebody else runs."""

    address: Annotated[str, Tag.PODS, Field(pattern=r"^[a-zA-Z0-9.-]+:[0-9]{1,5}$", max_length=260)]
    """Host and port."""
    password_secret_ref: SecretKeyRef | None = None
    """Its password; absent, it needs none."""


class Store(ApiModel):
    """Outside memory. With Redis, a lost head of the Ray cluster costs no request and no replica."""

    model_config = ConfigDict(json_schema_extra=with_rules(rules.REDIS_FOR_ITS_TYPE))

    type: Annotated[Literal["None", "Redis"], Tag.PODS]
    """`None` or `Redis`."""
    redis: Redis | None = None
    """The Redis, for that type."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        rules.REDIS_FOR_ITS_TYPE.check((self.type == "Redis") == (self.redis is not None))
        return self


class Rollout(ApiModel):
    """How a new revision takes over from the one that serves."""

    progress_deadline: Annotated[PositiveDuration, Tag.CLUSTER] = parse_duration("10m")
    """How long a new revision may take until it has drawn a picture."""
    drain_time: Annotated[Duration, Tag.CLUSTER] = parse_duration("2m")
    """How long the old one may go on with what it has begun, after traffic moved."""
    on_failure: Annotated[Literal["RollBack", "Hold"], Tag.CLUSTER] = "RollBack"
    """What becomes of a new revision that fails or misses its deadline: `RollBack` deletes it, `Hold` leaves it to be
    looked at. The old one serves on in both cases."""


class NetworkPolicy(ApiModel):
    """A NetworkPolicy around the pods, which closes Ray's open ports."""

    enabled: Annotated[bool, Tag.CLUSTER, Field(strict=True)] = True
    """Whether there is one."""


class PodMonitor(ApiModel):
    """A PodMonitor for the pods' metrics."""

    enabled: Annotated[bool, Tag.CLUSTER, Field(strict=True)] = True
    """Whether there is one, where its kind exists."""
    labels: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Tag.CLUSTER, Field(max_length=16)] = Field(
        default_factory=dict
    )
    """Labels by which a Prometheus selects it."""


class Head(ApiModel):
    """The head of the Ray cluster, which computes nothing."""

    pod_template: Annotated[PodTemplate | None, Tag.PODS] = None
    """Merged into the head's pod; its container is named `ray`."""


class KubeRay(ApiModel):
    """The Ray cluster beneath."""

    image: Annotated[str | None, Tag.PODS, Field(min_length=1, max_length=512)] = None
    """Image of all Ray pods and engine builds; absent, the operator's default."""
    ray_version: Annotated[str | None, Tag.PODS, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$", max_length=20)] = None
    """Version of Ray in the image; absent, the one the operator was tested with."""
    pod_template: Annotated[PodTemplate | None, Tag.PODS] = None
    """Merged into every pod, before the templates of the parts."""
    head: Head | None = None
    """The head of the Ray cluster."""
