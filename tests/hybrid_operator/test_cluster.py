"""How the API server is asked, where its answers are not what a real one is easily brought to give."""

import asyncio
from typing import Any

import pytest

from hybrid_operator import kinds
from hybrid_operator.cluster import Cluster
from hybrid_operator.transport import Answer, Request


class Pages:
    """A server that has its answers ready."""

    def __init__(self, *bodies: Any) -> None:
        self._bodies = list(bodies)
        self.asked: list[Request] = []

    async def send(self, request: Request) -> Answer:
        self.asked.append(request)
        return Answer(status=200, body=self._bodies.pop(0))


@pytest.mark.parametrize("nothing", [{"items": None}, {}, {"items": []}], ids=["null", "absent", "empty"])
def test_a_list_of_nothing_is_empty_however_it_is_said(nothing: dict[str, Any]) -> None:
    """A `PartialObjectMetadataList` says null."""
    pages = Pages({**nothing, "metadata": {}})
    assert asyncio.run(Cluster(pages, guard=lambda: None).list(kinds.POD)) == []


def test_a_list_is_read_to_its_last_page() -> None:
    pages = Pages(
        {"items": [{"metadata": {"name": "a"}}], "metadata": {"continue": "more"}},
        {"items": None, "metadata": {"continue": "yet more"}},
        {"items": [{"metadata": {"name": "b"}}], "metadata": {}},
    )
    found = asyncio.run(Cluster(pages, guard=lambda: None).list(kinds.POD))
    assert [each["metadata"]["name"] for each in found] == ["a", "b"]
    assert {each["kind"] for each in found} == {"Pod"}
    assert [request.params.get("continue") for request in pages.asked][-1] == "yet more"


@pytest.mark.parametrize("name", ["../../kube-system/secrets/x", "..", ".", "a?watch=1", "a#b", "..%2fx"])
def test_a_name_that_would_lead_elsewhere_is_never_asked_for(name: str) -> None:
    pages = Pages({})
    with pytest.raises(ValueError, match="expected a name"):
        asyncio.run(Cluster(pages, guard=lambda: None).get(kinds.CONFIG_MAP, namespace="default", name=name))
    assert pages.asked == []
