"""From a ConfigMap to prices, or to a reason and a sentence that names it."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybrid_api import documents
from hybrid_api.cost import Resources
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator import prices

SAMPLE = Path(__file__).parents[2] / "e2e" / "samples" / "shapes.yaml"
GOOD = {"currency": "USD", "cpuCoreHour": "0.03"}


def a_resource(**spec: Any) -> HybridDiffusion:
    manifest = next(yaml.safe_load_all(SAMPLE.read_text()))
    manifest["spec"] |= spec
    return documents.parse(manifest)


def test_a_resource_without_prices_has_none_and_nothing_is_wrong() -> None:
    assert prices.resolve(a_resource(cost=None), None) == (None, None)


def test_a_good_list_is_resolved() -> None:
    found, failure = prices.resolve(a_resource(), {"data": GOOD})
    assert failure is None
    assert found is not None
    assert str(found.cpu_core_hour) == "0.03"


@pytest.mark.parametrize(
    ("config_map", "reason"),
    [
        (None, "PriceListMissing"),
        ({}, "PriceListInvalid"),
        ({"data": {**GOOD, "cpuCoreHour": "cheap"}}, "PriceListInvalid"),
        ({"data": {**GOOD, "cpuCoreHour": "700"}}, "PriceListInvalid"),
        ({"data": {**GOOD, "unknown": "1"}}, "PriceListInvalid"),
        ({"data": {**GOOD, "currency": "EUR"}}, "CurrencyDiffers"),
    ],
)
def test_a_bad_list_gives_no_prices_and_a_reason_that_names_it(config_map: dict[str, Any] | None, reason: str) -> None:
    found, failure = prices.resolve(a_resource(), config_map)
    assert found is None
    assert failure is not None
    assert failure.reason == reason
    assert "`prices`" in failure.message
    assert failure.message.endswith(".")


def test_a_gpu_without_a_price_is_named_with_its_segment() -> None:
    occupied = {
        "small": Resources(cpu_cores=Decimal(1)),
        "large": Resources(cpu_cores=Decimal(1), gpus=1, gpu_type="h9000"),
    }
    listed, _ = prices.resolve(a_resource(), {"data": {**GOOD, "gpuHour.nvidia-l4": "0.7"}})
    failure = prices.unpriced(listed, occupied)
    assert failure is not None
    assert failure.reason == "PriceMissing"
    assert "`large`" in failure.message
    assert "`gpuHour.h9000`" in failure.message
    assert prices.unpriced(listed, {"small": occupied["small"]}) is None
    assert prices.unpriced(None, occupied) is None


def test_a_resource_that_names_no_list_gets_the_installations() -> None:
    found, failure = prices.resolve(a_resource(cost=None), None, default=GOOD)
    assert failure is None
    assert found is not None
    assert str(found.cpu_core_hour) == "0.03"


def test_its_own_list_wins_even_where_it_is_bad() -> None:
    found, failure = prices.resolve(a_resource(), None, default=GOOD)
    assert found is None
    assert failure is not None
    assert failure.reason == "PriceListMissing"


def test_a_bad_list_of_the_installation_is_told_to_be_the_installations() -> None:
    found, failure = prices.resolve(a_resource(cost=None), None, default={"currency": "USD", "cpuCoreHour": "700"})
    assert found is None
    assert failure is not None
    assert failure.reason == "PriceListInvalid"
    assert "installation" in failure.message
