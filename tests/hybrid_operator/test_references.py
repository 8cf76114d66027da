"""What a resource refers to: found, missing, or not to be looked at."""

import asyncio
from typing import cast

import pytest
from tests.hybrid_operator.fake_cluster import FakeCluster, Manifest
from tests.hybrid_operator.variants import sample

from hybrid_api import documents
from hybrid_operator import kinds
from hybrid_operator.cluster import Cluster
from hybrid_operator.cluster_errors import ClusterError, Forbidden, Invalid, KindMissing, Unreachable
from hybrid_operator.kinds import Kind
from hybrid_operator.references import References, resolve


class Guarded(FakeCluster):
    """Gives all but one kind."""

    def __init__(self, kind: Kind, error: ClusterError) -> None:
        super().__init__()
        self._kind, self._error = kind, error

    async def get(self, kind: Kind, *, namespace: str, name: str, only_metadata: bool = False) -> Manifest | None:
        if kind == self._kind:
            raise self._error
        return await super().get(kind, namespace=namespace, name=name, only_metadata=only_metadata)


def resolved(kind: Kind, error: ClusterError) -> References:
    cluster, (resource, *others) = Guarded(kind, error), sample()
    for each in others:
        cluster.put(each)
    return asyncio.run(resolve(documents.parse(resource), cast("Cluster", cluster)))


@pytest.mark.parametrize(
    ("error", "reason"), [(Forbidden, "Forbidden"), (KindMissing, "KindMissing"), (Invalid, "Refused")]
)
def test_what_may_not_be_looked_at_is_told_and_takes_no_prices_away(
    error: type[Forbidden | KindMissing | Invalid], reason: str
) -> None:
    found = resolved(kinds.CONFIG_MAP, error("configmaps `prices` is forbidden", status=403))
    assert found.missing is not None
    assert (found.missing.reason, found.missing.message.partition(":")[0]) == (reason, "`spec.cost.priceListRef`")
    assert found.price_failure == found.missing  # a revision that runs keeps the prices it has


def test_secrets_that_may_not_be_looked_at_are_told_and_leave_prices_alone() -> None:
    found = resolved(kinds.SECRET, Forbidden("secrets `keys` is forbidden", status=403))
    assert found.missing is not None
    assert (found.missing.reason, found.price_failure) == ("Forbidden", None)
    assert found.prices is not None


def test_a_server_that_is_away_is_asked_again() -> None:
    with pytest.raises(Unreachable):
        resolved(kinds.CONFIG_MAP, Unreachable("The connection was reset."))
