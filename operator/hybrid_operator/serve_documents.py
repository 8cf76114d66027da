"""Reads and mends the Serve document of a RayService that runs, which is kept as YAML text. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from hybrid_api.prices import PriceList

_BOUNDS = "autoscaling_config"
_PRICES = "prices"

Document = dict[str, Any]


def prices(ray_service: Mapping[str, Any]) -> PriceList | None:
    """The prices that a running revision was given."""
    first = next(_deployments(_document(ray_service)))
    found = first["user_config"].get(_PRICES)
    return PriceList.model_validate(found) if found else None


def followed(live: Mapping[str, Any], today: Mapping[str, Any]) -> str:
    """The document of `live` with the bounds and prices of `today`'s; the same text if they are the same."""
    text, document = str(live["spec"]["serveConfigV2"]), _document(live)
    wanted = {each["name"]: each for each in _deployments(_document(today))}
    for deployment in _deployments(document):
        deployment[_BOUNDS] = wanted[deployment["name"]][_BOUNDS]
        deployment["user_config"].pop(_PRICES, None)
        if found := wanted[deployment["name"]]["user_config"].get(_PRICES):
            deployment["user_config"][_PRICES] = found
    return text if document == _document(live) else yaml.safe_dump(document, sort_keys=False)


def _document(ray_service: Mapping[str, Any]) -> Document:
    document: Document = yaml.safe_load(ray_service["spec"]["serveConfigV2"])
    return document


def _deployments(document: Document) -> Iterator[Document]:
    return iter(document["applications"][0]["deployments"])
