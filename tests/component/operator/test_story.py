"""The life of a resource on a real API server, with KubeRay and pods played by the test."""

import json
from decimal import Decimal

import pytest
from tests.component.operator.player import Player
from tests.component.operator.world import NAME, World, until

from hybrid_operator import kinds

pytestmark = pytest.mark.component


def test_a_resource_becomes_ready_and_its_service_selects_its_revision(world: World, player: Player, operator) -> None:
    world.apply_sample()
    until(lambda: world.condition("Ready") == ("True", "Serving"), what="Ready")
    (revision,) = world.revisions()
    assert world.selected() == revision
    assert world.find(kinds.CONTROLLER_REVISION, f"{NAME}-{revision}")
    assert world.find(kinds.SECRET, f"{NAME}-probe")
    assert world.condition("Available") == ("True", "Answering")
    assert world.condition("Stalled")[0] == "False"
    assert world.condition("PricesResolved") == ("True", "Resolved")


def test_a_changed_price_is_applied_in_place(world: World, player: Player, operator) -> None:
    world.apply_sample()
    until(lambda: world.condition("Ready")[0] == "True", what="Ready")
    before = world.all(kinds.RAY_SERVICE)[0]
    world.patch(kinds.CONFIG_MAP, "prices", {"data": {"cpuCoreHour": "0.05"}})

    def price() -> str:
        document = json.loads(world.all(kinds.RAY_SERVICE)[0]["spec"]["serveConfigV2"])
        return str(document["applications"][0]["deployments"][0]["user_config"]["prices"]["cpuCoreHour"])

    until(lambda: price() == "0.05", what="the price in the Serve document")
    after = world.all(kinds.RAY_SERVICE)
    assert [each["metadata"]["uid"] for each in after] == [before["metadata"]["uid"]]
    assert after[0]["spec"]["rayClusterConfig"] == before["spec"]["rayClusterConfig"]


def test_the_picture_that_proves_a_revision_makes_its_estimate(world: World, player: Player, operator) -> None:
    world.apply_sample()
    until(lambda: world.condition("Ready")[0] == "True", what="Ready")
    before = world.resource()["status"].get("estimate", {})
    assert before["saving"] == "61 %"
    world.patch(kinds.CONFIG_MAP, "prices", {"data": {"cpuCoreHour": "0.0632", "memoryGiBHour": "0.0084"}})
    until(lambda: world.resource()["status"].get("estimate", {}) != before, what="the estimate at the new prices")
    after = world.resource()["status"].get("estimate", {})
    assert after["saving"] == before["saving"]
    assert Decimal(after["thousandImages"]) / Decimal(before["thousandImages"]) == pytest.approx(
        Decimal(2), rel=Decimal("0.01")
    )


def test_a_changed_image_is_a_new_revision_that_takes_over(world: World, player: Player, operator) -> None:
    world.apply_sample(rollout={"drainTime": "0s"})
    until(lambda: world.condition("Ready")[0] == "True", what="Ready")
    (first,) = world.revisions()
    world.change({"kubeRay": {"image": "example/serving:2"}})
    until(lambda: world.selected() not in ("", first), what="the new revision serving")
    until(lambda: len(world.revisions()) == 1, what="the old revision gone")
    assert world.revisions() == {world.selected()} != {first}
    until(lambda: world.condition("Ready") == ("True", "Serving"), what="Ready")
