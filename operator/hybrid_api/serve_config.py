"""From a resource to the Ray Serve document, and back from the document to typed halves.

The document is exact, because Ray Serve ignores unknown keys in silence. Where a field goes is decided by its tag
alone: the fixed half becomes the application's `args`, the tunable half with the prices every deployment's
`user_config`, replica bounds `autoscaling_config`. No I/O, no Ray.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from pydantic import ValidationError

from hybrid_api.errors import ApiError, sentence
from hybrid_api.halves import half_of
from hybrid_api.model import Manifest
from hybrid_api.prices import PriceList
from hybrid_api.tags import Tag
from hybrid_api.v1alpha1 import HybridDiffusion, Segment, Spec, Workers

IMPORT_PATH = "hybrid_serving.cloud.app:build"
POLICY_PATH = "hybrid_serving.cloud.autoscale:policy"
INGRESS = "Ingress"
"""Name of the ingress deployment; segments are lower case, so none can have it."""

_INGRESS_ONGOING = 1000
"""Open requests an ingress replica holds; it refuses by predicted wait long before."""
_SURGE_PERCENT = 100
"""Replacements start before old replicas stop. A replica takes a tenth of a logical core, so there is room for them."""
_NUM_CPUS = 0.1
"""Logical cores a replica, for Ray's bookkeeping only: engines set their own threads, whatever Ray derives from it."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """The fixed half: what replicas are built from."""

    name: str
    """Name of the resource, and of the model in the HTTP API."""
    spec: Spec
    """Only its Fixed fields are there; reading another one raises `AttributeError`."""


@dataclass(frozen=True, slots=True)
class Tunable:
    """The tunable half: what `reconfigure` applies in place."""

    spec: Spec
    """Only its Tunable fields are there, and the segments' names; reading another one raises `AttributeError`."""
    prices: PriceList | None
    """The resolved price list; `None` books engine time without pricing it."""


class ServeConfigError(ApiError):
    """A half that the other side did not write."""


def fixed_half(hd: HybridDiffusion) -> dict[str, Any]:
    """The application's `args`."""
    return _project(hd, Tag.FIXED)


def tunable_half(hd: HybridDiffusion, *, prices: PriceList | None) -> dict[str, Any]:
    """Every deployment's `user_config`."""
    half = _project(hd, Tag.TUNABLE)
    return {**half, "prices": prices.manifest()} if prices else half


def read_fixed(args: Manifest) -> Fixed:
    """The fixed half as the application's builder receives it."""
    half = _parse(args, tag=Tag.FIXED)
    return Fixed(name=half.metadata.name, spec=half.spec)


def read_tunable(user_config: Manifest) -> Tunable:
    """The tunable half as `reconfigure` receives it."""
    rest = {key: value for key, value in user_config.items() if key != "prices"}
    prices = user_config.get("prices")
    try:
        price_list = PriceList.model_validate(prices) if prices else None
    except ValidationError as error:
        raise ServeConfigError(sentence(error, model=PriceList)) from error
    return Tunable(spec=_parse(rest, tag=Tag.TUNABLE).spec, prices=price_list)


def render(
    hd: HybridDiffusion,
    *,
    prices: PriceList | None = None,
    name: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
) -> dict[str, Any]:
    """The Ray Serve document for `hd`; `name` names the application, by default like the resource."""
    user_config = tunable_half(hd, prices=prices)
    deployments = [_ingress(hd, user_config), *(_denoiser(segment, user_config) for segment in hd.spec.segments)]
    application = {
        "name": name or hd.metadata.name,
        "route_prefix": "/",
        "import_path": IMPORT_PATH,
        "args": fixed_half(hd),
        "autoscaling_policy": {"policy_function": POLICY_PATH},
        "deployments": deployments,
    }
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": host, "port": port},
        "applications": [application],
    }


def _project(hd: HybridDiffusion, tag: Tag) -> dict[str, Any]:
    half = half_of(HybridDiffusion, tag).model_validate(hd, from_attributes=True)
    return half.model_dump(mode="json", by_alias=True, exclude_none=True)


def _parse(manifest: Manifest, *, tag: Tag) -> HybridDiffusion:
    half = half_of(HybridDiffusion, tag)
    try:
        return cast("HybridDiffusion", half.model_validate(manifest))
    except ValidationError as error:
        raise ServeConfigError(sentence(error, model=half)) from error


def _ingress(hd: HybridDiffusion, user_config: Mapping[str, Any]) -> dict[str, Any]:
    replicas = hd.spec.ingress.replicas
    patience = hd.spec.requests.defaults.deadline + timedelta(seconds=10)
    return {
        "name": INGRESS,
        "max_ongoing_requests": _INGRESS_ONGOING,
        "autoscaling_config": _bounds(replicas, replicas),
        "graceful_shutdown_timeout_s": patience.total_seconds(),
        **_common(user_config),
    }


def _denoiser(segment: Segment, user_config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": segment.name,
        "max_ongoing_requests": _ongoing(segment),
        "autoscaling_config": _scaling(segment.workers),
        "graceful_shutdown_timeout_s": 30.0,
        **_common(user_config),
    }


def _common(user_config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "user_config": dict(user_config),
        "graceful_shutdown_wait_loop_s": 0.2,
        "health_check_period_s": 2.0,
        "health_check_timeout_s": 10.0,
        "max_surge_percent": _SURGE_PERCENT,
        "ray_actor_options": {"num_cpus": _NUM_CPUS},
    }


def _ongoing(segment: Segment) -> int:
    """Requests at one worker: twice what fills the largest batch when guided (two rows each), and room for questions.

    More would hold work back from new replicas, fewer would leave rows idle while the router backs off.
    """
    return max(segment.engine.batch_sizes) + 2


def _scaling(workers: Workers) -> dict[str, Any]:
    bounds = _bounds(workers.fewest, workers.most)
    if (scaling := workers.autoscaling) is None:
        return bounds
    return {
        **bounds,
        "downscale_delay_s": scaling.scale_down_delay.total_seconds(),
        "downscale_to_zero_delay_s": scaling.scale_to_zero_delay.total_seconds(),
    }


def _bounds(fewest: int, most: int) -> dict[str, Any]:
    """Bounds in Serve's words; fixed numbers are bounds too.

    Serve restarts every replica when a deployment gains or loses its autoscaling configuration, and passes replica
    statistics to the policy only where there is one. So every deployment always has one.
    """
    return {
        "min_replicas": fewest,
        "max_replicas": most,
        "upscale_delay_s": 1.0,
        "metrics_interval_s": 1.0,
        "look_back_period_s": 5.0,
    }
