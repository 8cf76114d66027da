"""Reads and mends the Serve document of a RayService that runs. Pure.

It is JSON, as it was rendered: what reads it as YAML takes it alike, while `y` or `1e3` without quotes is one thing to
one parser of YAML and another to the next.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hybrid_api.prices import PriceList

_BOUNDS = "autoscaling_config"
_PRICES = "prices"

Document = dict[str, Any]


def prices(ray_service: Mapping[str, Any]) -> PriceList | None:
    """The prices that a running revision was given."""
    if (document := _document(ray_service)) is None:
        return None
    found = next(_deployments(document))["user_config"].get(_PRICES)
    return PriceList.model_validate(found) if found else None


def followed(live: Mapping[str, Any], today: Mapping[str, Any]) -> str:
    """The document of `live` with the bounds and prices of `today`'s; the same text if they are the same.

    A document that somebody has made unreadable gives way to today's, the only one there is.
    """
    document, wanted = _document(live), _document(today)
    if document is None or wanted is None:
        return str(today["spec"]["serveConfigV2"])
    newest = {each["name"]: each for each in _deployments(wanted)}
    for deployment in _deployments(document):
        _follow(deployment, newest[deployment["name"]])
    return str(live["spec"]["serveConfigV2"]) if document == _document(live) else json.dumps(document, indent=1)


def _follow(deployment: Document, newest: Document) -> None:
    deployment[_BOUNDS] = newest[_BOUNDS]
    deployment["user_config"].pop(_PRICES, None)
    if found := newest["user_config"].get(_PRICES):
        deployment["user_config"][_PRICES] = found


def _document(ray_service: Mapping[str, Any]) -> Document | None:
    try:
        document: Document = json.loads(ray_service["spec"]["serveConfigV2"])
    except (KeyError, ValueError):
        return None
    return document


def _deployments(document: Document) -> Iterator[Document]:
    return iter(document["applications"][0]["deployments"])
