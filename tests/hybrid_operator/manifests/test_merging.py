"""How a user's pod template is laid over ours."""

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hybrid_operator.manifests.merging import merged


def test_null_takes_a_field_of_ours_away() -> None:
    """Else a volume could not become one of another kind: it would have two sources, which the API server refuses."""
    ours = {"volumes": [{"name": "cache", "emptyDir": {}}]}
    theirs = {"volumes": [{"name": "cache", "emptyDir": None, "hostPath": {"path": "/cache"}}]}
    assert merged(ours, theirs) == {"volumes": [{"name": "cache", "hostPath": {"path": "/cache"}}]}


def test_null_for_what_is_not_there_adds_nothing() -> None:
    assert merged({"a": 1}, {"b": None, "c": {"d": None}}) == {"a": 1, "c": {}}


def test_what_the_template_does_not_mention_stays() -> None:
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}) == {"a": {"b": 1, "c": 3}}


def test_containers_merge_by_name_and_keep_their_order() -> None:
    """KubeRay takes the first container for Ray's."""
    ours = [{"name": "ray", "image": "ours"}]
    theirs = [{"name": "sidecar", "image": "theirs"}, {"name": "ray", "tty": True}]
    assert merged(ours, theirs) == [
        {"name": "ray", "image": "ours", "tty": True},
        {"name": "sidecar", "image": "theirs"},
    ]


def test_a_volume_can_be_mounted_twice() -> None:
    ours = [{"name": "models", "mountPath": "/a"}]
    theirs = [{"name": "models", "mountPath": "/b"}, {"name": "other", "mountPath": "/a"}]
    assert merged(ours, theirs) == [{"name": "other", "mountPath": "/a"}, {"name": "models", "mountPath": "/b"}]


def test_a_list_without_names_is_replaced() -> None:
    ours = {"tolerations": [{"key": "a"}], "args": ["1", "2"]}
    theirs = {"tolerations": [{"key": "b"}], "args": ["3"]}
    assert merged(ours, theirs) == theirs


def test_an_empty_list_replaces_a_list_without_names() -> None:
    assert merged({"tolerations": [{"key": "a"}]}, {"tolerations": []}) == {"tolerations": []}


def test_a_list_in_which_one_item_has_no_name_is_replaced() -> None:
    assert merged([{"name": "a"}, {"value": 1}], [{"name": "a", "x": 1}]) == [{"name": "a", "x": 1}]


def test_another_type_replaces() -> None:
    assert merged({"a": {"b": 1}}, {"a": "text"}) == {"a": "text"}


def test_the_last_template_has_the_last_word() -> None:
    assert merged({"a": 1}, {"a": 2, "b": 2}, {"a": 3}) == {"a": 3, "b": 2}


names = st.sampled_from(["a", "b", "c"])
scalars = st.none() | st.integers(0, 3) | st.text(alphabet="xy", max_size=2)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    named = st.lists(names, unique=True, max_size=3).flatmap(
        lambda found: st.tuples(*(st.fixed_dictionaries({"name": st.just(each), "x": inner}) for each in found)).map(
            list
        )
    )
    return st.dictionaries(names, inner, max_size=3) | named | st.lists(inner, max_size=2)


templates = st.recursive(scalars, _nested, max_leaves=8)


@given(ours=templates, theirs=templates)
def test_laying_a_template_over_twice_is_laying_it_over_once(ours: Any, theirs: Any) -> None:
    once = merged(ours, theirs)
    assert merged(once, theirs) == once


@given(ours=templates, theirs=templates)
def test_nothing_is_changed_in_place(ours: Any, theirs: Any) -> None:
    before = deepcopy((ours, theirs))
    _spoil(merged(ours, theirs))
    assert (ours, theirs) == before


def _spoil(value: Any) -> None:
    if isinstance(value, dict):
        for inner in value.values():
            _spoil(inner)
        value["spoilt"] = True
    if isinstance(value, list):
        for inner in value:
            _spoil(inner)
        value.append("spoilt")
