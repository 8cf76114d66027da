"""Pod templates that the API server refuses: told in the resource before anything is made of them."""

from typing import Any

import pytest
from tests.component.operator.player import Player
from tests.component.operator.world import NAME, World, until

from hybrid_operator import kinds

pytestmark = pytest.mark.component

MISSPELT = {"spec": {"nodeselector": {"a": "b"}}}
ABSURD = {"spec": {"containers": [{"name": "ray", "resources": {"limits": {"memory": "much"}}}]}}


def message(world: World, type_: str) -> str:
    conditions = world.resource()["status"]["conditions"]
    return str(next(each["message"] for each in conditions if each["type"] == type_))


def ingress(world: World, template: dict[str, Any] | None) -> dict[str, Any]:
    return {**world.sample()[0]["spec"]["ingress"], "podTemplate": template}


@pytest.mark.parametrize(("template", "said"), [(MISSPELT, "nodeselector"), (ABSURD, "quantities")])
def test_a_wrong_template_is_a_sentence_and_nothing_is_made(
    world: World, player: Player, operator: Any, template: dict[str, Any], said: str
) -> None:
    world.apply_sample(ingress=ingress(world, template))
    until(lambda: world.condition("Stalled") == ("True", "PodTemplateInvalid"), what="PodTemplateInvalid")
    assert world.condition("Ready") == ("False", "PodTemplateInvalid")
    assert "`spec.ingress.podTemplate`" in message(world, "Stalled")
    assert said in message(world, "Stalled")
    children = [each for kind in kinds.CHILDREN for each in world.all(kind, **{"hybriddiffusion.io/name": NAME})]
    assert children == []
    assert world.find(kinds.SECRET, f"{NAME}-probe") is None
    world.change({"ingress": {"podTemplate": None}})
    until(lambda: world.condition("Ready") == ("True", "Serving"), what="Ready", seconds=60)


def test_what_serves_is_kept_and_repaired_while_a_wrong_template_waits(
    world: World, player: Player, operator: Any
) -> None:
    world.apply_sample()
    until(lambda: world.condition("Ready") == ("True", "Serving"), what="Ready")
    serving = world.selected()
    world.change({"ingress": {"podTemplate": MISSPELT}})
    until(lambda: world.condition("Stalled") == ("True", "PodTemplateInvalid"), what="PodTemplateInvalid")
    assert world.condition("Available") == ("True", "Answering")
    world.delete(kinds.SERVICE, NAME)
    until(lambda: world.selected() == serving, what="the Service again")
    assert world.revisions() == {serving}


def test_secrets_for_the_serving_image_are_in_every_pod(world: World, start_operator: Any) -> None:
    start_operator(pull_secrets=("registry",))
    world.apply_sample()
    (ray_service,) = until(lambda: world.all(kinds.RAY_SERVICE), what="the RayService")
    cluster = ray_service["spec"]["rayClusterConfig"]
    templates = [group["template"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    assert [each["spec"]["imagePullSecrets"] for each in templates] == [[{"name": "registry"}]] * 4
