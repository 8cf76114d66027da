"""The price list of a resource, its own or the installation's: from data to prices, or to why not. Pure."""

from collections.abc import Mapping
from typing import Any

from hybrid_api import cost
from hybrid_api.prices import PriceList, PriceListError
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator.observed import Failure


def resolve(
    hd: HybridDiffusion, config_map: Mapping[str, Any] | None, *, default: Mapping[str, str] | None = None
) -> tuple[PriceList | None, Failure | None]:
    """The prices, or why they cannot be had; `default` where the resource names no list, neither where that is none."""
    if hd.spec.cost is None:
        return _installation(default) if default else (None, None)
    name = hd.spec.cost.price_list_ref.name
    if config_map is None:
        return None, Failure("PriceListMissing", f"Found no ConfigMap `{name}`, expected the price list; create it.")
    try:
        prices = PriceList.from_data(config_map.get("data") or {})
    except PriceListError as error:
        return None, Failure("PriceListInvalid", f"ConfigMap `{name}`: {error}")
    if prices.currency != hd.spec.cost.currency:
        said = f"found {prices.currency}, expected {hd.spec.cost.currency}, the resource's `spec.cost.currency`"
        return None, Failure("CurrencyDiffers", f"ConfigMap `{name}`: `currency`: {said}.")
    return prices, None


def _installation(data: Mapping[str, str]) -> tuple[PriceList | None, Failure | None]:
    try:
        return PriceList.from_data(data), None
    except PriceListError as error:
        return None, Failure("PriceListInvalid", f"The installation's price list: {error}")


def unpriced(prices: PriceList | None, occupied: Mapping[str, cost.Resources]) -> Failure | None:
    """The first segment whose workers occupy what the list has no price for; they serve, and cost nothing on paper."""
    if prices is None:
        return None
    for name, resources in occupied.items():
        try:
            cost.hourly(resources, prices=prices)
        except cost.CostError as error:
            return Failure("PriceMissing", f"Workers of segment `{name}` are not priced. {error}")
    return None
