"""What the watch tells, on its way to the queue."""

import asyncio
import random

from tests.hybrid_operator.variants import sample

from hybrid_operator import kinds
from hybrid_operator.feed import Feed
from hybrid_operator.queue import Queue
from hybrid_operator.store import Key, Store


def test_what_waits_for_a_change_is_looked_at_first_when_all_is_listed() -> None:
    looks: list[str] = []

    async def work(key: Key) -> None:
        looks.append(key.name)

    async def story() -> None:
        queue = Queue(work, at_once=1, random_source=random.Random(0))
        feed = Feed(Store(), queue)
        for number in range(50):
            resource = sample()[0]
            generation = 2 if number == 37 else 1
            about = {"namespace": "default", "uid": f"uid-{number}", "resourceVersion": "1", "generation": generation}
            resource["metadata"] |= {"name": f"hd-{number}", **about}
            resource["status"] = {"observedGeneration": 1}
            feed.seen(kinds.HYBRID_DIFFUSION, resource)
        feed.complete()
        while len(looks) < 50:  # noqa: ASYNC110  (a queue says nothing)
            await asyncio.sleep(0.001)
        await queue.close(within_seconds=1)

    asyncio.run(asyncio.wait_for(story(), timeout=20))
    assert looks[0] == "hd-37"
    assert sorted(looks) == sorted(f"hd-{number}" for number in range(50))
