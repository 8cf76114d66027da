"""Whether an object is as desired: what we own of it, in the API server's own account, against what we want."""

from copy import deepcopy
from typing import Any

import pytest

from hybrid_operator.ownership import FIELD_MANAGER, applied_at, is_as_desired

DESIRED: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "shapes", "namespace": "default", "labels": {"a": "1"}},
    "spec": {"selector": {"role": "ingress"}, "ports": [{"name": "http", "port": 8000, "protocol": "TCP"}]},
}
FIELDS: dict[str, Any] = {
    "f:metadata": {"f:labels": {"f:a": {}}},
    "f:spec": {
        "f:selector": {},
        "f:ports": {'k:{"port":8000,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}}},
    },
}


def live(**spec: Any) -> dict[str, Any]:
    """As the server shows it: completed by its defaults, with fields of others."""
    found = deepcopy(DESIRED)
    found["metadata"] |= {
        "uid": "1",
        "resourceVersion": "7",
        "labels": {"a": "1", "theirs": "x"},
        "managedFields": [
            {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:theirs": {}}}}},
            {
                "manager": FIELD_MANAGER,
                "operation": "Apply",
                "time": "2026-11-01T12:00:00Z",
                "fieldsV1": deepcopy(FIELDS),
            },
        ],
    }
    found["spec"] |= {"clusterIP": "10.0.0.1", "type": "ClusterIP", **spec}
    found["spec"]["ports"][0] |= {"targetPort": 8000, "nodePort": 30000}
    return found


def test_fields_of_others_and_defaults_of_the_server_do_not_count() -> None:
    assert is_as_desired(live(), DESIRED)


@pytest.mark.parametrize(
    "change",
    [
        {"selector": {"role": "head"}},
        {"selector": {"role": "ingress", "theirs": "x"}},
        {"ports": [{"name": "other", "port": 8000, "protocol": "TCP"}]},
        {"ports": [{"name": "http", "port": 9000, "protocol": "TCP"}]},
    ],
    ids=["value changed", "entry added to a map that is ours whole", "item changed", "item replaced"],
)
def test_what_somebody_changed_of_ours_is_not_as_desired(change: dict[str, Any]) -> None:
    assert not is_as_desired(live(**change), DESIRED)


def test_a_field_that_somebody_took_is_not_as_desired_even_if_its_value_is() -> None:
    taken = live()
    del taken["metadata"]["managedFields"][1]["fieldsV1"]["f:spec"]["f:selector"]
    assert not is_as_desired(taken, DESIRED)


def test_a_field_that_we_want_no_longer_is_not_as_desired() -> None:
    assert not is_as_desired(live(), {**DESIRED, "metadata": {"name": "shapes", "namespace": "default"}})


def test_an_object_that_we_never_applied_is_not_as_desired() -> None:
    foreign = live()
    foreign["metadata"]["managedFields"].pop()
    assert not is_as_desired(foreign, DESIRED)
    assert applied_at(foreign) is None


def test_what_was_applied_to_the_status_says_nothing_of_the_object() -> None:
    other = live()
    other["metadata"]["managedFields"][1]["subresource"] = "status"
    assert not is_as_desired(other, DESIRED)


def test_an_empty_field_means_the_same_as_none() -> None:
    wanted = deepcopy(DESIRED)
    wanted["spec"]["externalIPs"] = []
    assert is_as_desired(live(), wanted)


def test_sets_are_compared_by_value() -> None:
    fields = {"f:metadata": {"f:finalizers": {'v:"ours"': {}}}}
    found: dict[str, Any] = {
        "metadata": {
            "name": "x",
            "finalizers": ["theirs", "ours"],
            "managedFields": [{"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields}],
        }
    }
    assert is_as_desired(found, {"metadata": {"name": "x", "finalizers": ["ours"]}})
    assert not is_as_desired(found, {"metadata": {"name": "x", "finalizers": ["other"]}})
