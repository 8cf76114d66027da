"""What the writing of a status does to what the operator knows of the resource."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from tests.hybrid_operator.fake_cluster import FakeCluster
from tests.hybrid_operator.variants import sample

from hybrid_operator.announcer import Announcer
from hybrid_operator.cluster import Cluster
from hybrid_operator.kinds import HYBRID_DIFFUSION
from hybrid_operator.store import Store


def a_resource(cluster: FakeCluster) -> dict[str, Any]:
    resource = sample()[0]
    resource["metadata"]["namespace"] = "default"
    cluster.put(resource)
    (live,) = cluster.all(HYBRID_DIFFUSION)
    return live


def said(cluster: FakeCluster, store: Store, live: dict[str, Any]) -> dict[str, Any]:
    """The resource after a status was written that was made of `live`."""
    announcer = Announcer(
        cluster=cast("Cluster", cluster), store=store, identity="one", clock=lambda: datetime(2026, 11, 1, tzinfo=UTC)
    )
    asyncio.run(announcer.say(live, {"url": "http://shapes"}, ()))
    (now,) = cluster.all(HYBRID_DIFFUSION)
    return now


@pytest.mark.parametrize(
    "change",
    [{"spec": {"suspend": True}}, {"metadata": {"annotations": {"retry": "1"}}}],
    ids=["spec", "annotation"],
)
def test_what_somebody_changes_while_a_status_is_written_is_still_news(change: dict[str, Any]) -> None:
    cluster, store = FakeCluster(), Store()
    live = a_resource(cluster)
    store.put(HYBRID_DIFFUSION, live)
    cluster.put(live | {name: live[name] | value for name, value in change.items()})
    assert store.put(HYBRID_DIFFUSION, said(cluster, store, live))


def test_the_operator_s_own_status_is_no_news() -> None:
    cluster, store = FakeCluster(), Store()
    live = a_resource(cluster)
    store.put(HYBRID_DIFFUSION, live)
    assert not store.put(HYBRID_DIFFUSION, said(cluster, store, live))
