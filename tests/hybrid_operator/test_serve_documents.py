"""The Serve document of a revision that runs: what of it follows today's resource, and what it keeps."""

import json
from typing import Any

import pytest
from tests.hybrid_operator.manifests.samples import DEFAULTS, resource

from hybrid_api.prices import PriceList
from hybrid_operator import manifests, serve_documents

Manifest = dict[str, Any]

PRICES = PriceList.from_data({"currency": "USD", "cpuCoreHour": "0.04"})
DEARER = PriceList.from_data({"currency": "USD", "cpuCoreHour": "0.05"})


def made(changes: Manifest | None = None, *, prices: PriceList | None = PRICES) -> Manifest:
    hd = resource(changes or {})
    rendering = manifests.rendering(resource({}), defaults=DEFAULTS)
    return manifests.ray_service(hd, revision="0000000a", rendering=rendering, prices=prices)


def followed(live: Manifest, today: Manifest) -> Manifest:
    document: Manifest = json.loads(serve_documents.followed(live, today))
    return document


def deployments(document: Manifest) -> dict[str, Manifest]:
    return {each["name"]: each for each in document["applications"][0]["deployments"]}


def test_what_is_as_today_is_the_same_text() -> None:
    assert serve_documents.followed(made(), made()) == made()["spec"]["serveConfigV2"]


def test_bounds_and_prices_follow_and_tunables_stay() -> None:
    today = made({"spec.ingress.replicas": 3, "spec.handoff.ttl": "1m"}, prices=DEARER)
    ingress = deployments(followed(made(), today))["Ingress"]
    assert ingress["autoscaling_config"]["min_replicas"] == 3
    assert ingress["user_config"]["prices"]["cpuCoreHour"] == "0.05"
    before = deployments(json.loads(made()["spec"]["serveConfigV2"]))["Ingress"]["user_config"]
    assert {**ingress["user_config"], "prices": None} == {**before, "prices": None}


def test_prices_that_are_no_longer_stated_go() -> None:
    assert "prices" not in deployments(followed(made(), made(prices=None)))["large"]["user_config"]


@pytest.mark.parametrize("name", ["y", "1e3", "no", "null"])
def test_words_that_yaml_takes_for_something_else_stay_text(name: str) -> None:
    """Ours is read by KubeRay, whose parser and ours differ about them."""
    live = made()
    document = json.loads(live["spec"]["serveConfigV2"])
    document["applications"][0]["args"] = {"name": name}
    live["spec"]["serveConfigV2"] = json.dumps(document)
    text = serve_documents.followed(live, made(prices=DEARER))
    assert json.loads(text)["applications"][0]["args"]["name"] == name


@pytest.mark.parametrize("text", ["applications: [", "applications:\n- name: x\n", ""])
def test_a_document_that_somebody_made_unreadable_gives_way_to_today_s(text: str) -> None:
    live = made()
    live["spec"]["serveConfigV2"] = text
    assert serve_documents.followed(live, made()) == made()["spec"]["serveConfigV2"]
    assert serve_documents.prices(live) is None


def test_the_prices_of_a_running_revision_are_read_back() -> None:
    assert serve_documents.prices(made()) == PRICES
    assert serve_documents.prices(made(prices=None)) is None
