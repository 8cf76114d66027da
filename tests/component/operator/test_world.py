"""What others do to the objects around a resource, and what lacks: repaired, refused or told, never a crash."""

import getpass
import json
from datetime import timedelta
from typing import Any

import pytest
from tests.component.operator.player import FakeIngress, Player
from tests.component.operator.stepper import Faults, Stepper, stepped
from tests.component.operator.world import NAME, World, until

from hybrid_operator import kinds, prober, reconcile
from hybrid_operator.connection import Connection
from hybrid_operator.kinds import Kind

pytestmark = pytest.mark.component

_A_SERVICE = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 1}]}}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at every so often is looked at more often."""
    monkeypatch.setattr(reconcile, "_LOOK_AT_OBSTACLE", timedelta(seconds=1))
    monkeypatch.setattr(prober, "_PULSE_SECONDS", 0.5)
    monkeypatch.setattr(prober, "_ANXIOUS_SECONDS", 0.5)


@pytest.fixture
def ready(world: World, player: Player, operator: Any) -> str:
    world.apply_sample()
    until(lambda: world.condition("Ready") == ("True", "Serving"), what="Ready")
    return world.selected()


def test_a_user_without_a_name_will_do(
    world: World, player: Player, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 10001")

    monkeypatch.setattr(getpass, "getuser", nobody)
    request.getfixturevalue("operator")
    world.apply_sample()
    until(lambda: world.condition("Ready") == ("True", "Serving"), what="Ready")


@pytest.mark.parametrize(
    "kind",
    [kinds.SERVICE, kinds.NETWORK_POLICY, kinds.CONTROLLER_REVISION, kinds.RAY_SERVICE],
    ids=lambda kind: kind.name,
)
def test_a_child_that_somebody_deletes_is_made_again(world: World, ready: str, kind: Kind) -> None:
    (child,) = world.all(kind, **{"hybriddiffusion.io/name": NAME})
    name, uid = child["metadata"]["name"], child["metadata"]["uid"]
    world.delete(kind, name)
    until(lambda: (found := world.find(kind, name)) and found["metadata"]["uid"] != uid, what="another one")
    until(lambda: world.condition("Ready") == ("True", "Serving"), what="Ready")
    assert world.selected() == ready


def test_a_selector_that_somebody_bends_is_bent_back(world: World, ready: str) -> None:
    world.patch(kinds.SERVICE, NAME, {"spec": {"selector": {"hybriddiffusion.io/revision": "00000000"}}})
    until(lambda: world.selected() == ready, what="the selector")
    world.patch(kinds.SERVICE, NAME, {"spec": {"selector": {"theirs": "x"}}})
    until(lambda: "theirs" not in world.get(kinds.SERVICE, NAME)["spec"]["selector"], what="the selector")


def test_fields_that_are_not_ours_are_left_alone(world: World, ready: str) -> None:
    note = {"metadata": {"annotations": {"theirs": "x"}, "labels": {"theirs": "x"}}}
    world.patch(kinds.SERVICE, NAME, note)
    world.patch(kinds.SERVICE, NAME, {"spec": {"sessionAffinity": "ClientIP"}})
    world.change({"ingress": {"replicas": 2, "apiKeysSecretRef": {"name": "keys"}}})
    until(lambda: world.find(kinds.DISRUPTION_BUDGET, f"{NAME}-ingress"), what="the budget")
    service = world.get(kinds.SERVICE, NAME)
    assert service["metadata"]["labels"]["theirs"] == service["metadata"]["annotations"]["theirs"] == "x"
    assert service["spec"]["sessionAffinity"] == "ClientIP"


def test_what_is_switched_off_goes_and_comes_back(world: World, ready: str) -> None:
    world.change({"networkPolicy": {"enabled": False}})
    until(lambda: world.find(kinds.NETWORK_POLICY, NAME) is None, what="no policy")
    world.change({"networkPolicy": {"enabled": True}})
    until(lambda: world.find(kinds.NETWORK_POLICY, NAME), what="the policy")
    assert world.find(kinds.SECRET, f"{NAME}-probe")
    world.change({"ingress": {"apiKeysSecretRef": None}})
    until(lambda: world.find(kinds.SECRET, f"{NAME}-probe") is None, what="no key for the probe")


@pytest.mark.parametrize("kind", [kinds.SERVICE, kinds.NETWORK_POLICY, kinds.SECRET], ids=lambda kind: kind.name)
def test_an_object_of_our_name_is_never_adopted(world: World, player: Player, operator: Any, kind: Kind) -> None:
    name = f"{NAME}-probe" if kind == kinds.SECRET else NAME
    theirs: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": name}}
    if kind == kinds.SERVICE:
        theirs |= _A_SERVICE
    elif kind == kinds.NETWORK_POLICY:
        theirs["spec"] = {"podSelector": {}}
    before = world.create(theirs)
    world.apply_sample()
    until(lambda: world.condition("Stalled") == ("True", "NameTaken"), what="NameTaken")
    assert world.condition("Ready") == ("False", "NameTaken")
    assert world.get(kind, name)["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    world.delete(kind, name)
    until(lambda: world.condition("Ready") == ("True", "Serving"), what="Ready", seconds=60)


def test_an_obstacle_is_looked_at_again_soon_although_a_deadline_runs(
    world: World, connection: Connection, ingress: FakeIngress
) -> None:
    """The deadline runs from the revision's record, which is made before what stands in the way."""
    world.create({**_A_SERVICE, "metadata": {"name": NAME}})
    world.apply_sample()

    async def story(stepper: Stepper, faults: Faults) -> None:
        for _ in range(3):
            again = await stepper.step(NAME)
            assert world.condition("Stalled") == ("True", "NameTaken")
            assert again is not None
            assert timedelta(0) < again <= timedelta(seconds=15)
        assert world.all(kinds.CONTROLLER_REVISION, **{"hybriddiffusion.io/name": NAME})

    stepped(connection, world, ingress, story)


def test_a_secret_that_is_missing_is_named_until_it_is_there(world: World, player: Player, operator: Any) -> None:
    documents = world.sample()
    for document in documents[1:]:
        if document["metadata"]["name"] != "keys":
            world.create(document)
    world.create(documents[0])
    until(lambda: world.condition("Ready") == ("False", "SecretMissing"), what="SecretMissing")
    world.create(documents[1])
    until(lambda: world.condition("Ready") == ("True", "Serving"), what="Ready", seconds=60)


def test_prices_that_lack_or_break_are_told_and_the_last_good_ones_kept(world: World, ready: str) -> None:
    def price() -> str:
        document = json.loads(world.all(kinds.RAY_SERVICE)[0]["spec"]["serveConfigV2"])
        return str(document["applications"][0]["deployments"][0]["user_config"]["prices"]["cpuCoreHour"])

    before = price()
    world.patch(kinds.CONFIG_MAP, "prices", {"data": {"cpuCoreHour": "cheap"}})
    until(lambda: world.condition("PricesResolved") == ("False", "PriceListInvalid"), what="PriceListInvalid")
    world.delete(kinds.CONFIG_MAP, "prices")
    until(lambda: world.condition("PricesResolved") == ("False", "PriceListMissing"), what="PriceListMissing")
    assert world.condition("Ready")[0] == "True"
    assert price() == before


def test_a_service_that_stops_answering_is_unavailable_and_comes_back(
    world: World, ingress: FakeIngress, ready: str
) -> None:
    ingress.is_up = False
    until(lambda: world.condition("Available") == ("False", "NotAnswering"), what="unavailable", seconds=60)
    assert world.condition("Ready")[0] == "False"
    ingress.is_up = True
    until(lambda: world.condition("Ready") == ("True", "Serving"), what="Ready")


def test_an_ingress_pod_that_is_replaced_has_to_draw(world: World, ingress: FakeIngress, ready: str) -> None:
    drawn = len(ingress.pictures)
    world.delete(kinds.POD, f"{NAME}-{ready}-ingress")
    until(lambda: len(ingress.pictures) > drawn, what="another picture")
    assert world.condition("Ready") == ("True", "Serving")


def test_a_scale_from_outside_is_followed_and_never_written_back(world: World, player: Player, operator: Any) -> None:
    segments = world.sample()[0]["spec"]["segments"]
    segments[0]["workers"] = {"replicas": 1}
    world.apply_sample(segments=segments)
    until(lambda: world.condition("Ready")[0] == "True", what="Ready")
    uid = world.all(kinds.RAY_SERVICE)[0]["metadata"]["uid"]
    for replicas in (3, 2, 5):
        world.patch(kinds.HYBRID_DIFFUSION, NAME, {"spec": {"replicas": replicas}}, subresource="scale")

        def bounds() -> int:
            document = json.loads(world.all(kinds.RAY_SERVICE)[0]["spec"]["serveConfigV2"])
            large = next(each for each in document["applications"][0]["deployments"] if each["name"] == "large")
            return int(large["autoscaling_config"]["max_replicas"])

        until(lambda wanted=replicas: bounds() == wanted, what="the bounds")
    assert world.all(kinds.RAY_SERVICE)[0]["metadata"]["uid"] == uid
    managers = [
        each["manager"] for each in world.resource()["metadata"]["managedFields"] if "f:spec" in each["fieldsV1"]
    ]
    assert "hybrid-diffusion-operator" not in managers


def test_a_resource_from_another_version_is_told_and_left_alone(world: World, player: Player, operator: Any) -> None:
    """What the API server would refuse today may lie in its store from another day."""
    world.apply_sample()
    until(lambda: world.condition("Ready")[0] == "True", what="Ready")
    uids = {each["metadata"]["uid"] for each in world.all(kinds.RAY_SERVICE)}
    with world.definition_without_rules():
        world.change({"segments": [{"name": "large", "runsOn": "Edge", "model": {"uri": "builtin://x"}}]})
        until(lambda: world.condition("Stalled") == ("True", "InvalidSpec"), what="InvalidSpec")
    assert {each["metadata"]["uid"] for each in world.all(kinds.RAY_SERVICE)} == uids
    world.delete(kinds.HYBRID_DIFFUSION, NAME)


def test_each_change_is_one_event(world: World, ready: str, operator: Any) -> None:
    def events(type_: str) -> list[str]:
        found = world.request("GET", f"/apis/events.k8s.io/v1/namespaces/{world.namespace}/events")["items"]
        mine = [each for each in found if each["regarding"]["kind"] == "HybridDiffusion" and each["action"] == type_]
        return [each["reason"] for each in sorted(mine, key=lambda each: each["eventTime"])]

    assert events("Ready")[-1] == "Serving"
    assert len(events("Ready")) == len(set(events("Ready")))


def test_a_steady_resource_is_never_written(world: World, ready: str) -> None:
    until(lambda: world.condition("Reconciling") == ("False", "Settled"), what="settled")
    world.wait_for_quiet()
    before = world.writes()
    world.patch(kinds.HYBRID_DIFFUSION, NAME, {"metadata": {"labels": {"look": "again"}}})
    world.patch(kinds.CONFIG_MAP, "prices", {"metadata": {"labels": {"look": "again"}}})
    world.wait_for_quiet()
    assert world.writes() == before
