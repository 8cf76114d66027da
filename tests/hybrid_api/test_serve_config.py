"""The Serve document and its halves; `tests/contracts` shows leaf by leaf that Ray reads it so."""

from typing import Any

import pytest

from hybrid_api import documents, serve_config
from hybrid_api.prices import PriceList
from hybrid_api.serve_config import ServeConfigError
from hybrid_api.v1alpha1 import HybridDiffusion


def a_resource(**workers: Any) -> HybridDiffusion:
    return documents.parse(
        {
            "metadata": {"name": "shapes"},
            "spec": {
                "segments": [
                    {
                        "name": "large",
                        "runsOn": "Cloud",
                        "model": {"uri": "builtin://shapes/large"},
                        "workers": workers or {"replicas": 2},
                    }
                ],
                "requests": {"limits": {"sizes": ["64x64"]}, "defaults": {"deadline": "2m"}},
            },
        }
    )


def deployments(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in document["applications"][0]["deployments"]}


def test_a_fixed_half_that_nobody_wrote_is_refused() -> None:
    with pytest.raises(ServeConfigError, match=r"`spec`: found nothing, expected a value\."):
        serve_config.read_fixed({"metadata": {"name": "shapes"}})


def test_a_tunable_field_in_the_fixed_half_is_refused() -> None:
    args = serve_config.fixed_half(a_resource())
    args["spec"]["handoff"]["ttl"] = "5m"
    with pytest.raises(ServeConfigError, match=r"`spec.handoff.ttl`: found an unknown field"):
        serve_config.read_fixed(args)


def test_prices_that_nobody_wrote_are_refused() -> None:
    user_config = serve_config.tunable_half(a_resource(), prices=None) | {"prices": {"cpuCoreHour": "0.03"}}
    with pytest.raises(ServeConfigError, match="`currency`: found nothing"):
        serve_config.read_tunable(user_config)


def test_the_other_half_is_no_attribute() -> None:
    tunable = serve_config.read_tunable(serve_config.tunable_half(a_resource(), prices=None))
    with pytest.raises(AttributeError):
        _ = tunable.spec.segments[0].engine


def test_the_renderer_fills_the_fixed_half() -> None:
    fixed = serve_config.read_fixed(serve_config.fixed_half(a_resource()))
    assert fixed.name == "shapes"
    assert fixed.spec.segments[0].engine.batch_sizes == (1, 2, 4, 8, 16)


def test_no_secret_is_in_the_document() -> None:
    assert "secretRef" not in str(serve_config.render(a_resource())).lower()


def test_every_deployment_gets_the_same_tunables() -> None:
    prices = PriceList.from_data({"currency": "USD", "cpuCoreHour": "0.0316"})
    found = deployments(serve_config.render(a_resource(), prices=prices))
    assert found["Ingress"]["user_config"] == found["large"]["user_config"]
    assert serve_config.read_tunable(found["large"]["user_config"]).prices == prices


def test_fixed_workers_are_bounds_that_meet() -> None:
    bounds = deployments(serve_config.render(a_resource(replicas=3)))["large"]["autoscaling_config"]
    assert (bounds["min_replicas"], bounds["max_replicas"]) == (3, 3)


def test_workers_may_stop_altogether() -> None:
    scaling = {"minReplicas": 0, "maxReplicas": 8, "scaleDownDelay": "1m", "scaleToZeroDelay": "2m"}
    bounds = deployments(serve_config.render(a_resource(autoscaling=scaling)))["large"]["autoscaling_config"]
    assert (bounds["min_replicas"], bounds["max_replicas"]) == (0, 8)
    assert (bounds["downscale_delay_s"], bounds["downscale_to_zero_delay_s"]) == (60, 120)


def test_the_ingress_outlives_its_longest_request() -> None:
    ingress = deployments(serve_config.render(a_resource()))["Ingress"]
    assert ingress["graceful_shutdown_timeout_s"] > 120


def test_work_stays_with_the_router_beyond_two_batches() -> None:
    assert deployments(serve_config.render(a_resource()))["large"]["max_ongoing_requests"] == 18


def test_the_application_is_named_and_bound_as_asked() -> None:
    document = serve_config.render(a_resource(), name="shapes-1a2b3c4d", host="0.0.0.0", port=9000)
    assert document["applications"][0]["name"] == "shapes-1a2b3c4d"
    assert document["http_options"] == {"host": "0.0.0.0", "port": 9000}


def test_on_one_machine_replicas_need_no_pods_of_their_own() -> None:
    document = serve_config.render(a_resource())
    assert document.keys() == {"proxy_location", "http_options", "applications"}
    assert document["http_options"] == {"host": "127.0.0.1", "port": 8000}
    assert all(each["ray_actor_options"] == {"num_cpus": 0.1} for each in deployments(document).values())


def test_on_a_cluster_no_idle_connection_outlives_a_replica_that_stops() -> None:
    document = serve_config.render(a_resource(), host="0.0.0.0", on_cluster=True)
    assert document["http_options"]["keep_alive_timeout_s"] < 30
    assert document["logging_config"] == {"encoding": "JSON"}
