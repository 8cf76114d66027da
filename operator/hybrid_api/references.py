"""References from the resource to other objects of its own namespace."""

from typing import Annotated

from pydantic import Field

from hybrid_api.model import ApiModel
from hybrid_api.tags import Tag

ObjectName = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
]
"""A name as Kubernetes has it, a DNS subdomain; anything else would lead elsewhere in the paths of its API."""

EntryKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
"""The key of an entry in a Secret or ConfigMap."""


class SecretRef(ApiModel):
    """A Secret in the resource's own namespace."""

    name: Annotated[ObjectName, Tag.FIXED]
    """Name of the Secret. Its entries are mounted as files and read again when they change."""


class PodSecretRef(ApiModel):
    """A Secret in the resource's own namespace that only pods need to know of."""

    name: Annotated[ObjectName, Tag.PODS]
    """Name of the Secret. Its entries are mounted as files."""


class ConfigMapRef(ApiModel):
    """A ConfigMap in the resource's own namespace."""

    name: Annotated[ObjectName, Tag.TUNABLE]
    """Name of the ConfigMap."""
