import re
from collections.abc import Mapping

from hybrid_monitoring import scrape


def relabelled(labels: Mapping[str, str]) -> dict[str, str] | None:
    """What Prometheus would make of a sample's labels; `None` where it drops it."""
    found = dict(labels)
    for rule in scrape.relabelings():
        pattern = re.compile(rule["regex"])
        if rule.get("action") == "labeldrop":
            found = {name: value for name, value in found.items() if not pattern.fullmatch(name)}
            continue
        match = pattern.fullmatch(";".join(found.get(name, "") for name in rule["source_labels"]))
        if rule.get("action") == "keep":
            if match is None:
                return None
        elif match is not None:
            found[rule["target_label"]] = match.expand(rule["replacement"].replace("$1", r"\1"))
    return found


def test_rays_prefix_and_fleeting_labels_go() -> None:
    assert relabelled(
        {"__name__": "ray_hybriddiffusion_cost_total", "WorkerId": "7f", "otel_scope_name": "ray", "tenant": "ada"}
    ) == {"__name__": "hybriddiffusion_cost_total", "tenant": "ada"}


def test_the_application_names_the_resource_where_nobody_else_does() -> None:
    sample = {"__name__": "hybriddiffusion_cost_total", "application": "shapes-5f3a"}
    assert relabelled(sample) == {**sample, "name": "shapes-5f3a"}
    assert relabelled({**sample, "name": "shapes"}) == {**sample, "name": "shapes"}


def test_rays_own_metrics_are_left_where_they_are() -> None:
    assert relabelled({"__name__": "ray_node_cpu_utilization"}) is None
    assert relabelled({"__name__": "ray_serve_num_http_requests_total"}) is not None


def test_monitors_do_the_same_in_their_own_words() -> None:
    for monitor, prometheus in zip(scrape.metric_relabelings(), scrape.relabelings(), strict=True):
        assert list(monitor.values()) == list(prometheus.values())
        assert not any("_" in key for key in monitor)
