"""References from the resource to other objects of its own namespace."""

from typing import Annotated

from pydantic import Field

from hybrid_api.model import ApiModel
from hybrid_api.tags import Tag


class SecretRef(ApiModel):
    """A Secret in the resource's own namespace."""

    name: Annotated[str, Tag.FIXED, Field(min_length=1, max_length=253)]
    """Name of the Secret. Its entries are mounted as files and read again when they change."""


class PodSecretRef(ApiModel):
    """A Secret in the resource's own namespace that only pods need to know of."""

    name: Annotated[str, Tag.PODS, Field(min_length=1, max_length=253)]
    """Name of the Secret. Its entries are mounted as files."""


class ConfigMapRef(ApiModel):
    """A ConfigMap in the resource's own namespace."""

    name: Annotated[str, Tag.TUNABLE, Field(min_length=1, max_length=253)]
    """Name of the ConfigMap."""
