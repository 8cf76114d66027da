"""What a resource refers to in its namespace: the price list, read; Secrets, only looked for.

Values of Secrets are never asked for here: the API server sends metadata alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hybrid_api.prices import PriceList
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator import kinds, prices
from hybrid_operator.cluster import Cluster
from hybrid_operator.cluster_errors import OBSTACLES, obstacle_of
from hybrid_operator.observed import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What was found."""

    prices: PriceList | None
    price_failure: Failure | None
    missing: Failure | None
    """The first Secret that is named and not there, or what may not be looked at."""


async def resolve(
    hd: HybridDiffusion, cluster: Cluster, *, default_prices: Mapping[str, str] | None = None
) -> References:
    """Look everything up as it is now."""
    try:
        found = await _price_list(hd, cluster)
    except OBSTACLES as error:
        refused = Failure(obstacle_of(error), f"`spec.cost.priceListRef`: {error}")
        return References(prices=None, price_failure=refused, missing=refused)
    price_list, failure = prices.resolve(hd, found, default=default_prices)
    return References(prices=price_list, price_failure=failure, missing=await _missing(hd, cluster))


async def _price_list(hd: HybridDiffusion, cluster: Cluster) -> Mapping[str, Any] | None:
    if hd.spec.cost is None:
        return None
    return await cluster.get(kinds.CONFIG_MAP, namespace=hd.metadata.namespace, name=hd.spec.cost.price_list_ref.name)


async def _missing(hd: HybridDiffusion, cluster: Cluster) -> Failure | None:
    for path, name in _secrets(hd):
        try:
            found = await cluster.get(kinds.SECRET, namespace=hd.metadata.namespace, name=name, only_metadata=True)
        except OBSTACLES as error:
            return Failure(obstacle_of(error), f"`{path}`: {error}")
        if found is None:
            return Failure("SecretMissing", f"`{path}`: found no Secret `{name}` in the namespace; create it.")
    return None


def _secrets(hd: HybridDiffusion) -> Iterator[tuple[str, str]]:
    if hd.spec.ingress.api_keys_secret_ref:
        yield "spec.ingress.apiKeysSecretRef", hd.spec.ingress.api_keys_secret_ref.name
    if hd.spec.handoff.signing_key_secret_ref:
        yield "spec.handoff.signingKeySecretRef", hd.spec.handoff.signing_key_secret_ref.name
    if hd.spec.cost and hd.spec.cost.ledger_secret_ref:
        yield "spec.cost.ledgerSecretRef", hd.spec.cost.ledger_secret_ref.name
