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
from hybrid_api.segments import Segment, Workers
from hybrid_api.tags import Tag
from hybrid_api.v1alpha1 import HybridDiffusion, Spec

IMPORT_PATH = "hybrid_serving.cloud.app:build"
POLICY_PATH = "hybrid_serving.cloud.autoscale:policy"
INGRESS = "Ingress"
"""Name of the ingress deployment; segments are lower case, so none can have it."""

_INGRESS_ONGOING = 1000
"""Open requests an ingress replica holds; it refuses by predicted wait long before."""
_SURGE_PERCENT = 100
"""Replacements start before old replicas stop. A replica takes a tenth of a logical core, so there is room for them."""
_KEEP_ALIVE_SECONDS = 20
"""Less than the 30 s that a replica behind HAProxy goes on after it was told to stop: no connection outlives it."""
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
    on_cluster: bool = False,
) -> dict[str, Any]:
    """The Ray Serve document for `hd`; `name` names the application, by default like the resource.

    On a cluster each replica takes one unit of a custom resource that only the pods of its part offer, one a pod: one
    replica is one pod, and the ingress never lands on an accelerator.
    """
    deployments = _deployments(hd, tunable_half(hd, prices=prices))
    application = {
        "name": name or hd.metadata.name,
        "route_prefix": "/",
        "import_path": IMPORT_PATH,
        "args": fixed_half(hd),
        "autoscaling_policy": {"policy_function": POLICY_PATH},
        "deployments": deployments,
    }
    document = {
        "proxy_location": "EveryNode",
        "http_options": {"host": host, "port": port},
        "applications": [application],
    }
    return _for_a_cluster(document) if on_cluster else document


def _for_a_cluster(document: dict[str, Any]) -> dict[str, Any]:
    """Bind replicas to pods, and speak to those who collect logs."""
    for deployment in document["applications"][0]["deployments"]:
        deployment["ray_actor_options"]["resources"] = {resource_of(deployment["name"]): 1}
    document["http_options"]["keep_alive_timeout_s"] = _KEEP_ALIVE_SECONDS
    return {**document, "logging_config": {"encoding": "JSON"}}


def resource_of(deployment: str) -> str:
    """The custom resource that a replica of `deployment` takes and its pods offer."""
    return f"hybrid-{deployment.lower()}"


def _deployments(hd: HybridDiffusion, user_config: Mapping[str, Any]) -> list[dict[str, Any]]:
    first, *others = hd.spec.segments
    return [
        _ingress(hd, user_config),
        _denoiser(first, user_config, workers=_workers_of_the_first(hd)),
        *(_denoiser(segment, user_config, workers=segment.workers) for segment in others),
    ]


def _workers_of_the_first(hd: HybridDiffusion) -> Workers:
    """Those of the first segment, with the number that `kubectl scale` set; 0 is a stop, which is not Serve's."""
    replicas, workers = hd.spec.replicas, hd.spec.segments[0].workers
    return workers if replicas is None else workers.model_copy(update={"replicas": max(1, replicas)})


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


def _denoiser(segment: Segment, user_config: Mapping[str, Any], *, workers: Workers) -> dict[str, Any]:
    return {
        "name": segment.name,
        "max_ongoing_requests": _ongoing(segment),
        "autoscaling_config": _scaling(workers),
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
