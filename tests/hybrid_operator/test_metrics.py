"""The operator exports what the vocabulary says it does, and forgets what is gone."""

from hybrid_api.metric_names import EXPORTED
from hybrid_operator import metrics

RESOURCE = {"metadata": {"namespace": "default", "name": "shapes"}}


def test_every_declared_metric_is_exported_and_no_other() -> None:
    exported = {
        name
        for family in metrics.REGISTRY.collect()
        for name in [f"{family.name}_total" if family.type == "counter" else family.name]
    }
    assert exported == {metric.exported_name for metric in EXPORTED["operator"]}


def test_a_condition_is_one_for_the_status_it_has() -> None:
    metrics.show_condition(RESOURCE, type_="Ready", status="False")
    labels = {"namespace": "default", "name": "shapes", "type": "Ready"}
    values = {
        status: metrics.REGISTRY.get_sample_value("hybriddiffusion_condition", {**labels, "status": status})
        for status in ("True", "False", "Unknown")
    }
    assert values == {"True": 0, "False": 1, "Unknown": 0}
    metrics.forget(namespace="default", name="shapes")
    assert metrics.REGISTRY.get_sample_value("hybriddiffusion_condition", {**labels, "status": "False"}) is None
