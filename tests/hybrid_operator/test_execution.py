"""What is made and deleted beside the revisions."""

import asyncio
from typing import Any, cast

from tests.hybrid_operator.fake_cluster import FakeCluster
from tests.hybrid_operator.variants import sample

from hybrid_api import documents
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator import kinds, manifests
from hybrid_operator.blueprint import Blueprint
from hybrid_operator.children import Children
from hybrid_operator.cluster import Cluster
from hybrid_operator.execution import Execution
from hybrid_operator.store import Store

DEFAULTS = manifests.Defaults(image="example/serving:1")
OWNED = [{"uid": "uid-of-shapes", "controller": True, "name": "shapes"}]


def a_resource(**handoff: Any) -> HybridDiffusion:
    resource = sample()[0]
    resource["metadata"] |= {"namespace": "default", "uid": "uid-of-shapes"}
    resource["spec"]["handoff"] = handoff
    return documents.parse(resource)


def a_record(hd: HybridDiffusion) -> dict[str, Any]:
    record = manifests.controller_revision(hd, rendering=manifests.rendering(hd, defaults=DEFAULTS), number=1)
    return {**record, "metadata": {**record["metadata"], "namespace": "default", "ownerReferences": OWNED}}


def left_after_equipping(hd: HybridDiffusion, *records: dict[str, Any]) -> set[str]:
    """Of the Secrets that were made, with these records beside the resource."""
    cluster = FakeCluster()
    for name in (manifests.signing_secret_name("shapes"), manifests.probe_secret_name("shapes")):
        metadata = {"name": name, "ownerReferences": OWNED}
        cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    blueprint = Blueprint(
        hd=hd,
        revision=manifests.revision_of(hd),
        children=Children("uid-of-shapes", records),
        defaults=DEFAULTS,
        prices=None,
        keeps_prices=False,
    )
    execution = Execution(cast("Cluster", cluster), Store(), blueprint=blueprint, prove=lambda _: None)
    asyncio.run(execution.equip({}))
    return {each["metadata"]["name"] for each in cluster.all(kinds.SECRET)}


def test_a_made_key_stays_as_long_as_a_revision_mounts_it() -> None:
    before, now = a_resource(), a_resource(signingKeySecretRef={"name": "signing"})
    assert "shapes-signing" in left_after_equipping(now, a_record(before), a_record(now))
    assert "shapes-signing" not in left_after_equipping(now, a_record(now))
    assert "shapes-signing" not in left_after_equipping(now)
