"""The operator's own settings, read once from the environment.

Parsing only; who uses a setting gets it as an argument.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from hybrid_api.errors import ApiError, sentence

Port = Annotated[int, Field(ge=0, le=65535)]


class SettingsError(ApiError):
    """An environment variable that cannot be used."""


def _names(value: Any) -> Any:
    """`a, b` as a tuple; nothing between commas is nothing."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class Settings(BaseModel):
    """What an installation decides; every field is an environment variable of the operator's container."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, use_attribute_docstrings=True)

    namespace: Annotated[str, Field(alias="HYBRID_OPERATOR_NAMESPACE", min_length=1)]
    """Where the operator itself runs; its Lease lies there."""
    identity: Annotated[str, Field(alias="HYBRID_IDENTITY", min_length=1)]
    """The name of this pod, as the Lease's holder."""
    serving_image: Annotated[str, Field(alias="HYBRID_SERVING_IMAGE", min_length=1)]
    """Image of Ray's containers where a resource names none."""
    pull_secrets: Annotated[tuple[str, ...], BeforeValidator(_names), Field(alias="HYBRID_PULL_SECRETS")] = ()
    """Secrets, in a resource's own namespace, that give access to that image, separated by commas."""
    watch_namespaces: Annotated[tuple[str, ...], BeforeValidator(_names), Field(alias="HYBRID_WATCH_NAMESPACES")] = ()
    """Namespaces to serve, separated by commas; none serves the whole cluster."""
    lease_name: Annotated[str, Field(alias="HYBRID_LEASE_NAME", min_length=1)] = "hybrid-diffusion-operator"
    """The Lease whose holder reconciles."""
    health_port: Annotated[Port, Field(alias="HYBRID_HEALTH_PORT")] = 8081
    """`/healthz` and `/readyz`."""
    metrics_port: Annotated[Port, Field(alias="HYBRID_METRICS_PORT")] = 8080
    """`/metrics`."""
    prices_path: Annotated[str, Field(alias="HYBRID_PRICES_PATH")] = ""
    """A folder with the installation's price list, a file for each key, for resources that name none."""
    resync_seconds: Annotated[float, Field(alias="HYBRID_RESYNC_SECONDS", gt=0)] = 120.0
    """How often what was watched is compared with the API server, and what was missed is made up for."""
    ray_via_proxy: Annotated[bool, Field(alias="HYBRID_RAY_VIA_PROXY")] = False
    """Reach pods and Services through the API server's proxy; for an operator outside the cluster."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read `environment`; `SettingsError` names the variable. Empty variables count as absent."""
        given = {name: value for name, value in environment.items() if name.startswith("HYBRID_") and value.strip()}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError(sentence(error, model=cls)) from error
