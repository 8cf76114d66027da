"""The operator exports what the vocabulary says it does, and forgets what is gone."""

import pytest

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
    metrics.show_condition(RESOURCE, type_="Ready", status="False", reason="Starting")
    labels = {"namespace": "default", "name": "shapes", "type": "Ready"}
    values = {
        status: metrics.REGISTRY.get_sample_value("hybriddiffusion_condition", {**labels, "status": status})
        for status in ("True", "False", "Unknown")
    }
    assert values == {"True": 0, "False": 1, "Unknown": 0}
    metrics.forget(namespace="default", name="shapes")
    assert metrics.REGISTRY.get_sample_value("hybriddiffusion_condition", {**labels, "status": "False"}) is None


@pytest.mark.parametrize("reason", ["Suspended", "NoReplicas"])
def test_what_was_stopped_on_purpose_is_neither_available_nor_not(reason: str) -> None:
    """Or somebody would be called for it."""

    def exported() -> float | None:
        labels = {"namespace": "default", "name": "shapes", "type": "Available", "status": "True"}
        return metrics.REGISTRY.get_sample_value("hybriddiffusion_condition", labels)

    metrics.show_condition(RESOURCE, type_="Available", status="True", reason="Answering")
    metrics.show_condition(RESOURCE, type_="Available", status="False", reason=reason)
    assert exported() is None
    metrics.show_condition(RESOURCE, type_="Available", status="False", reason="NotAnswering")
    assert exported() == 0
    metrics.forget(namespace="default", name="shapes")


def test_engines_are_counted_by_what_their_jobs_said() -> None:
    report = (
        "unet 64x64: built, OpenVINO 2026.4, f32, domain abc\ndecoder 64x64: found, OpenVINO 2026.4, f32, domain abc"
    )
    report += "\ntext 64x64: found, OpenVINO 2026.4, f32, unverified, as no device here can run it"
    metrics.show_engines(RESOURCE, [{"name": "large", "engine": report}, {"name": "small"}])
    labels = {"namespace": "default", "name": "shapes"}
    found = {
        (segment, outcome): metrics.REGISTRY.get_sample_value(
            "hybriddiffusion_engines", {**labels, "segment": segment, "outcome": outcome}
        )
        for segment in ("large", "small")
        for outcome in ("built", "found")
    }
    assert found == {("large", "built"): 1, ("large", "found"): 2, ("small", "built"): None, ("small", "found"): None}
    metrics.forget(**labels)
