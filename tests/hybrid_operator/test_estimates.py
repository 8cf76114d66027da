"""Estimates: nothing is guessed, and what is said follows from paces, prices and the spec alone."""

from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybrid_api import documents
from hybrid_api.cost import Resources
from hybrid_api.prices import PriceList
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator import estimates
from hybrid_operator.observed import Paces

SAMPLE = Path(__file__).parents[2] / "e2e" / "samples" / "shapes.yaml"
PRICES = PriceList(currency="USD", cpu_core_hour=Decimal("0.036"))
PACES = Paces(encode=2_000_000, decode=10_000_000, steps={"large": 8_000_000, "small": 4_000_000})
TWO_CORES = {name: Resources(cpu_cores=Decimal(2)) for name in ("large", "small")}


def a_resource(*, steps: Any = "40%", guidance: str = "5.0", last: str = "Edge") -> HybridDiffusion:
    manifest = deepcopy(next(yaml.safe_load_all(SAMPLE.read_text())))
    manifest["spec"]["segments"][0]["steps"] = steps if isinstance(steps, dict) else {"value": steps}
    manifest["spec"]["segments"][1]["runsOn"] = last
    manifest["spec"]["requests"]["defaults"] |= {"steps": 25, "guidanceScale": guidance}
    return documents.parse(manifest)


def estimated(hd: HybridDiffusion, **changes: Any) -> dict[str, Any]:
    found = estimates.estimate(hd, **({"paces": PACES, "prices": PRICES, "occupied": TWO_CORES} | changes))
    assert found is not None
    return found


def test_what_a_device_does_is_free() -> None:
    """2 + 10 x 2 x 8 = 162 ms of 2 + 25 x 2 x 8 + 10 = 412 ms, on two cores at 0.036 an hour."""
    found = estimated(a_resource())
    assert found["saving"] == "61 %"
    assert (found["currency"], found["thousandImages"], found["thousandImagesAllCloud"]) == (
        "USD",
        "0.00324",
        "0.00824",
    )


def test_what_the_cloud_finishes_is_paid_for() -> None:
    """162 + 15 x 2 x 4 + 10 = 292 ms."""
    found = estimated(a_resource(last="Cloud"))
    assert (found["thousandImages"], found["saving"]) == ("0.00584", "29 %")


def test_a_range_is_estimated_at_its_dear_end() -> None:
    assert estimated(a_resource(steps={"min": "10%", "max": "40%"})) == estimated(a_resource())


def test_without_guidance_a_step_is_one_row() -> None:
    found = estimated(a_resource(guidance="1.0"))
    assert found["thousandImagesAllCloud"] == "0.00424"


def test_all_steps_on_the_first_segment_save_only_what_the_device_decodes() -> None:
    assert estimated(a_resource(steps="100%"))["saving"] == "2 %"


def test_a_dearer_second_segment_can_cost_more_than_it_saves() -> None:
    dear = TWO_CORES | {"small": Resources(cpu_cores=Decimal(64))}
    assert estimated(a_resource(last="Cloud"), occupied=dear)["saving"].startswith("-")


@pytest.mark.parametrize(
    "unknown",
    [
        {"paces": None},
        {"prices": None},
        {"occupied": {}},
        {"paces": Paces(encode=0, decode=0, steps={"small": 1})},
        {"occupied": {name: Resources(cpu_cores=Decimal(1), gpus=1, gpu_type="h9000") for name in ("large", "small")}},
    ],
    ids=["no picture yet", "no prices", "no pods", "another segment", "a GPU without a price"],
)
def test_what_is_not_known_is_not_guessed(unknown: dict[str, Any]) -> None:
    assert (
        estimates.estimate(a_resource(), **({"paces": PACES, "prices": PRICES, "occupied": TWO_CORES} | unknown))
        is None
    )


def test_a_small_network_that_nobody_timed_is_no_trouble_where_devices_run_it() -> None:
    only = Paces(encode=2_000_000, decode=10_000_000, steps={"large": 8_000_000})
    assert estimated(a_resource(), paces=only)["saving"] == "61 %"
    nothing = estimates.estimate(a_resource(last="Cloud"), paces=only, prices=PRICES, occupied=TWO_CORES)
    assert nothing is None


def test_free_resources_give_no_saving_rather_than_a_division_by_zero() -> None:
    assert "saving" not in estimated(a_resource(), prices=PriceList(currency="USD"))


def test_it_says_the_same_again_from_what_it_said() -> None:
    said = estimated(a_resource())
    assert estimated(a_resource(), paces=estimates.remembered({"estimate": said})) == said
    assert estimates.remembered({}) is None
