"""The copy of what was seen: newest version wins, whatever the order in which it is told."""

from typing import Any

from hybrid_operator import kinds
from hybrid_operator.store import Key, Store


def an_object(name: str = "child", *, version: int = 1, uid: str = "u", **more: Any) -> dict[str, Any]:
    labels = {"hybriddiffusion.io/name": "shapes"}
    metadata = {"name": name, "namespace": "default", "uid": uid, "resourceVersion": str(version), "labels": labels}
    return {"metadata": metadata, **more}


KEY = Key("default", "shapes")


def test_an_older_version_told_later_is_passed_over() -> None:
    store = Store()
    assert store.put(kinds.SERVICE, an_object(version=10, spec={"new": True}))
    assert not store.put(kinds.SERVICE, an_object(version=9, spec={"new": False}))
    assert not store.put(kinds.SERVICE, an_object(version=10, spec={"new": False}))
    found = store.get(kinds.SERVICE, namespace="default", name="child")
    assert found is not None
    assert found["spec"] == {"new": True}


def test_versions_are_compared_as_numbers() -> None:
    store = Store()
    store.put(kinds.SERVICE, an_object(version=99))
    assert store.put(kinds.SERVICE, an_object(version=100))


def test_an_object_made_anew_outlives_news_of_the_old_ones_end() -> None:
    store = Store()
    store.put(kinds.SERVICE, an_object(version=5, uid="new"))
    store.drop(kinds.SERVICE, an_object(version=4, uid="old"))
    assert store.children(KEY)


def test_what_a_reader_changes_the_next_one_does_not_see() -> None:
    store = Store()
    store.put(kinds.SERVICE, an_object(spec={"a": 1}))
    store.children(KEY)[0]["spec"]["a"] = 2
    assert store.children(KEY)[0]["spec"] == {"a": 1}


def test_children_belong_to_the_name_on_their_label_and_leave_with_it() -> None:
    store = Store()
    store.put(kinds.SERVICE, an_object())
    store.put(kinds.JOB, an_object())
    moved = an_object(version=2)
    moved["metadata"]["labels"] = {"hybriddiffusion.io/name": "other"}
    store.put(kinds.JOB, moved)
    assert [each["kind"] for each in store.children(KEY)] == ["Service"]
    assert [each["kind"] for each in store.children(Key("default", "other"))] == ["Job"]


def test_only_our_own_managed_fields_are_kept() -> None:
    store = Store()
    found = an_object()
    ours = {"manager": "hybrid-diffusion-operator", "operation": "Apply", "fieldsV1": {}}
    found["metadata"]["managedFields"] = [{"manager": "kubectl", "operation": "Update", "fieldsV1": {}}, ours]
    store.put(kinds.SERVICE, found)
    assert store.children(KEY)[0]["metadata"]["managedFields"] == [ours]


def test_resources_that_mention_a_config_map_are_found_in_their_namespace() -> None:
    store = Store()
    for namespace, name in (("default", "prices"), ("other", "prices"), ("default", "else")):
        resource = an_object(f"hd-{name}", spec={"cost": {"priceListRef": {"name": name}}})
        resource["metadata"]["namespace"] = namespace
        store.put(kinds.HYBRID_DIFFUSION, resource)
    assert store.mentioning("prices", namespace="default") == [Key("default", "hd-prices")]
