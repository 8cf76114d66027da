"""What a replica costs an hour by its price list. Where the list has no price for it, serving goes on unpriced."""

import logging
from collections.abc import Mapping
from decimal import Decimal

from hybrid_api import cost
from hybrid_api.prices import PriceList
from hybrid_serving.ledger.entries import Tariff

logger = logging.getLogger(__name__)


def tariff(resources: cost.Resources, prices: PriceList | None) -> Tariff:
    """The prices for one replica; nothing is priced where there is no list, or none for its GPU."""
    if prices is None:
        return Tariff()
    try:
        return Tariff.of(prices, hour=cost.hourly(resources, prices=prices))
    except cost.CostError as error:
        logger.warning("Engine time is booked but not priced: %s", error)
        return Tariff()


def by_resource(resources: cost.Resources, prices: PriceList | None) -> Mapping[str, Decimal]:
    """What an hour costs by resource; empty where it is not priced."""
    if prices is None or not is_priced(resources, prices):
        return {}
    cpu, memory = resources.cpu_cores * prices.cpu_core_hour, resources.memory_gib * prices.memory_gib_hour
    return {"cpu": cpu, "memory": memory, "gpu": cost.hourly(resources, prices=prices) - cpu - memory}


def is_priced(resources: cost.Resources, prices: PriceList) -> bool:
    """Whether the list has a price for everything that is occupied."""
    return not resources.gpus or resources.gpu_type in prices.gpu_hour
