"""What the watch tells, on its way to the queue."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any, cast

from tests.hybrid_operator.variants import sample

from hybrid_operator import kinds
from hybrid_operator.children import LABEL_NAME, LABEL_REVISION
from hybrid_operator.cluster import Cluster
from hybrid_operator.feed import Feed
from hybrid_operator.last_words import LastWords
from hybrid_operator.observed import Revision, Stage
from hybrid_operator.queue import Queue
from hybrid_operator.resync import Resync
from hybrid_operator.store import Key, Store


def test_what_waits_for_a_change_is_looked_at_first_when_all_is_listed() -> None:
    looks: list[str] = []

    async def work(key: Key) -> None:
        looks.append(key.name)

    async def story() -> None:
        queue = Queue(work, at_once=1, random_source=random.Random(0))
        feed = Feed(Store(), queue, LastWords())
        for number in range(50):
            resource = _resource(f"hd-{number}")
            resource["metadata"]["generation"] = 2 if number == 37 else 1
            resource["status"] = {"observedGeneration": 1}
            feed.seen(kinds.HYBRID_DIFFUSION, resource)
        feed.complete()
        while len(looks) < 50:  # noqa: ASYNC110  (a queue says nothing)
            await asyncio.sleep(0.001)
        await queue.close(within_seconds=1)

    asyncio.run(asyncio.wait_for(story(), timeout=20))
    assert looks[0] == "hd-37"
    assert sorted(looks) == sorted(f"hd-{number}" for number in range(50))


class Listed(Cluster):
    """A server of which only lists are known, in pages of two."""

    def __init__(self, *names: str) -> None:
        self._names = names

    async def pages(self, kind: kinds.Kind, **_: Any) -> AsyncIterator[list[dict[str, Any]]]:
        found = [_resource(name) for name in self._names] if kind == kinds.HYBRID_DIFFUSION else []
        for start in range(0, len(found) + 1, 2):
            yield found[start : start + 2]


def test_nothing_is_looked_at_before_all_kinds_are_listed() -> None:
    looks: list[str] = []

    async def work(key: Key) -> None:
        looks.append(key.name)

    async def story() -> None:
        queue = Queue(work, at_once=1, random_source=random.Random(0))
        store = Store()
        feed = Feed(store, queue, LastWords())
        feed.seen(kinds.HYBRID_DIFFUSION, _resource("early"))
        await asyncio.sleep(0.1)
        assert looks == []
        cluster, watched = Listed("a", "b", "early", "z"), (kinds.HYBRID_DIFFUSION, kinds.POD)
        await Resync(cluster, store, feed=feed, kinds=watched, namespaces=("one", "two")).begin()
        while len(looks) < 4:  # noqa: ASYNC110  (a queue says nothing)
            await asyncio.sleep(0.001)
        await queue.close(within_seconds=1)

    asyncio.run(asyncio.wait_for(story(), timeout=20))
    assert sorted(looks) == ["a", "b", "early", "z"]


def test_what_a_pod_died_of_is_known_though_it_went_before_anybody_looked() -> None:
    words = LastWords()
    feed = Feed(Store(), Queue(cast("Any", None), at_once=1, random_source=random.Random(0)), words)
    labels = {LABEL_NAME: "hd", LABEL_REVISION: "a"}
    pod = {
        "metadata": {"name": "p", "namespace": "default", "uid": "u", "resourceVersion": "2", "labels": labels},
        "spec": {"containers": []},
        "status": {"phase": "Running"},
    }
    feed.seen(kinds.POD, pod)
    ended = {"exitCode": 137, "reason": "OOMKilled"}
    feed.gone(kinds.POD, {**pod, "status": {"containerStatuses": [{"name": "ray", "state": {"terminated": ended}}]}})
    recalled = words.recalled(Key("default", "hd"), Revision(name="a", service=Stage.STARTING))
    assert recalled.trouble is not None
    assert "OOMKilled" in recalled.trouble.message


def _resource(name: str) -> dict[str, Any]:
    resource = sample()[0]
    resource["metadata"] |= {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "1"}
    return resource
