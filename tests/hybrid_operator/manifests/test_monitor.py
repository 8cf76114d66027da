"""The PodMonitor: which pods are scraped, under which names."""

from tests.hybrid_operator.manifests.samples import Manifest, everything, parsed, ray, rendered, resource, templates

from hybrid_monitoring import scrape
from hybrid_operator import manifests


def the_monitor() -> Manifest:
    monitor = manifests.pod_monitor(resource())
    assert monitor is not None
    return monitor


def test_it_can_be_switched_off() -> None:
    assert manifests.pod_monitor(resource({"spec.podMonitor": {"enabled": False}})) is None


def test_a_prometheus_finds_it_by_its_labels() -> None:
    hd = resource({"spec.podMonitor": {"labels": {"release": "prometheus"}}})
    monitor = manifests.pod_monitor(hd)
    assert monitor is not None
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_a_label_cannot_hide_whose_it_is() -> None:
    hd = resource({"spec.podMonitor": {"labels": {"hybriddiffusion.io/name": "other"}}})
    monitor = manifests.pod_monitor(hd)
    assert monitor is not None
    assert monitor["metadata"]["labels"]["hybriddiffusion.io/name"] == "shapes"


def test_every_pod_of_ray_is_scraped_and_no_build() -> None:
    selector = the_monitor()["spec"]["selector"]
    hd = parsed(everything() | {"metadata": {"name": "shapes"}})
    builds = list(rendered(hd)["engines"].values())
    assert builds
    assert all(_selects(selector, each) for each in templates(hd).values())
    assert not any(_selects(selector, each) for each in builds)


def _selects(selector: Manifest, template: Manifest) -> bool:
    labels = template["metadata"]["labels"]
    refused = [each for each in selector["matchExpressions"] if labels.get(each["key"]) in each["values"]]
    assert all(each["operator"] == "NotIn" for each in selector["matchExpressions"])
    return selector["matchLabels"].items() <= labels.items() and not refused


def test_the_port_is_one_that_pods_have() -> None:
    """The head's has the same name, by KubeRay."""
    (endpoint,) = the_monitor()["spec"]["podMetricsEndpoints"]
    for group in ("ingress", "large", "small"):
        assert endpoint["port"] in {each["name"] for each in ray(templates(resource())[group])["ports"]}


def test_names_and_labels_are_those_of_the_shipped_scrape_configuration() -> None:
    (endpoint,) = the_monitor()["spec"]["podMetricsEndpoints"]
    assert endpoint["metricRelabelings"] == scrape.metric_relabelings()


def test_every_series_is_named_after_its_resource() -> None:
    (endpoint,) = the_monitor()["spec"]["podMetricsEndpoints"]
    (rule,) = endpoint["relabelings"]
    assert rule == {"sourceLabels": ["__meta_kubernetes_pod_label_hybriddiffusion_io_name"], "targetLabel": "name"}
