"""What a reconcile does where it cannot do what is asked."""

import asyncio

from tests.hybrid_operator.test_ways import Resource
from tests.hybrid_operator.variants import sample


def test_a_spec_that_cannot_be_read_leaves_what_status_remembers() -> None:
    async def story() -> None:
        resource = Resource(sample()[0]["spec"])
        await resource.settle()
        before = resource.status()
        assert before["revisions"]["serving"]
        resource.change({"segments": []})
        await resource.settle()
        after = resource.status()
        assert {each["reason"] for each in after["conditions"]} == {"InvalidSpec"}
        moving = ("conditions", "observedGeneration")
        assert {name: after.get(name) for name in before if name not in moving} == {
            name: value for name, value in before.items() if name not in moving
        }

    asyncio.run(story())
