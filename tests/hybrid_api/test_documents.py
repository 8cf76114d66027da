"""The YAML of `hybrid serve -f`: one resource with what it refers to, or one sentence about what is wrong."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hybrid_api import documents
from hybrid_api.documents import DocumentError

RESOURCE: dict[str, Any] = {
    "apiVersion": "hybriddiffusion.io/v1alpha1",
    "kind": "HybridDiffusion",
    "metadata": {"name": "shapes", "namespace": "default", "labels": {"team": "pictures"}},
    "spec": {
        "segments": [{"name": "large", "runsOn": "Cloud", "model": {"uri": "builtin://shapes/large"}}],
        "requests": {"limits": {"sizes": ["64x64"]}},
        "ingress": {"apiKeysSecretRef": {"name": "keys"}},
        "cost": {"currency": "USD", "priceListRef": {"name": "prices"}},
    },
}
KEYS = {"kind": "Secret", "metadata": {"name": "keys"}, "data": {"a": "b25l"}, "stringData": {"b": "two"}}
PRICES = {"kind": "ConfigMap", "metadata": {"name": "prices"}, "data": {"currency": "USD", "cpuCoreHour": "0.03"}}


def text(*manifests: Any) -> str:
    return yaml.safe_dump_all(manifests)


def test_everything_a_file_holds() -> None:
    found = documents.load_documents(text(RESOURCE, None, KEYS, PRICES))
    assert found.resource.metadata.name == "shapes"
    assert found.api_keys() == {"a": b"one", "b": b"two"}
    assert found.signing_keys() == {}
    prices = found.prices()
    assert prices is not None
    assert prices.currency == "USD"


def test_what_only_a_cluster_has_is_passed_over() -> None:
    claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": "engines"}}
    status = {"status": {"url": "http://shapes.default.svc:8000"}}
    found = documents.load_documents(text(RESOURCE | status, claim))
    assert found == documents.load_documents(text(RESOURCE))


def test_a_resource_without_references_needs_no_other_document() -> None:
    bare = RESOURCE | {"spec": {key: RESOURCE["spec"][key] for key in ("segments", "requests")}}
    found = documents.load_documents(text(bare))
    assert (found.api_keys(), found.signing_keys(), found.prices()) == ({}, {}, None)


@pytest.mark.parametrize(
    ("yaml_text", "message"),
    [
        ("", "Found 0 documents of kind HybridDiffusion, expected exactly one."),
        (text(RESOURCE, RESOURCE), "Found 2 documents of kind HybridDiffusion, expected exactly one."),
        ("a: [", "Found text that is not YAML ("),
        ("just words", 'Document 1: found "just words", expected a manifest.'),
        (
            text(RESOURCE, {"kind": "Pod"}),
            "Document 2: found kind `Pod`, expected HybridDiffusion, Secret or ConfigMap.",
        ),
        (text({"apiVersion": "v1"}), "Document 1: found kind `None`, expected"),
        (text(RESOURCE, {"kind": "Secret"}), "Document 2: `metadata.name`: found None, expected a name."),
        (
            text(KEYS | {"data": {"a": "no base64"}}),
            "Secret `keys`: `data.a`: found text that is not base64; encode it",
        ),
        (text(KEYS | {"data": {"a": 5}}), "Secret `keys`: `data.a`: found int, expected a string; put it in quotes."),
        (
            text(KEYS | {"stringData": {"../a": "b"}}),
            "Secret `keys`: `stringData`: found the entry '../a', expected letters",
        ),
        (
            text(KEYS | {"stringData": {"..": "b"}}),
            "Secret `keys`: `stringData`: found the entry '..', expected letters",
        ),
        (text(KEYS | {"data": ["a"]}), "Secret `keys`: `data`: found list, expected a mapping of strings."),
        (
            text(PRICES | {"data": {"cpuCoreHour": 0.03}}),
            "ConfigMap `prices`: `data.cpuCoreHour`: found float, expected a",
        ),
        (
            text(RESOURCE | {"apiVersion": "hybriddiffusion.io/v9"}),
            "`apiVersion`: found 'hybriddiffusion.io/v9', expected",
        ),
    ],
)
def test_a_file_that_is_refused(yaml_text: str, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        documents.load_documents(yaml_text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_missing_secret_is_named_with_those_at_hand() -> None:
    found = documents.load_documents(text(RESOURCE, KEYS | {"metadata": {"name": "other"}}))
    with pytest.raises(DocumentError, match=r"`spec.ingress.apiKeysSecretRef`: found `keys`, .* which have `other`\."):
        found.api_keys()


def test_a_secret_without_entries_lets_nobody_in() -> None:
    found = documents.load_documents(text(RESOURCE, {"kind": "Secret", "metadata": {"name": "keys"}}))
    with pytest.raises(DocumentError, match="expected a Secret with entries"):
        found.api_keys()


def test_a_missing_price_list_is_named() -> None:
    with pytest.raises(DocumentError, match=r"`spec.cost.priceListRef`: found `prices`, .* which have none\."):
        documents.load_documents(text(RESOURCE)).prices()


def test_an_absurd_price_names_its_list() -> None:
    absurd = PRICES | {"data": {"currency": "USD", "cpuCoreHour": "23"}}
    with pytest.raises(DocumentError, match="ConfigMap `prices`: `cpuCoreHour`: found 23 USD, expected at most 1"):
        documents.load_documents(text(RESOURCE, absurd)).prices()


def test_two_currencies_are_refused() -> None:
    euros = PRICES | {"data": {"currency": "EUR"}}
    with pytest.raises(
        DocumentError, match=r"`spec\.cost\.currency`: found USD, expected EUR, the currency of ConfigMap `prices`"
    ):
        documents.load_documents(text(RESOURCE, euros)).prices()


@given(st.text(max_size=200))
def test_any_text_is_refused_with_a_sentence(anything: str) -> None:
    with pytest.raises(DocumentError) as caught:
        documents.load_documents(anything)
    assert str(caught.value).endswith(".")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.sampled_from(["metadata", "spec"]), _JSON)
def test_any_value_is_refused_with_the_field_it_is_in(field: str, value: Any) -> None:
    with pytest.raises(DocumentError, match=rf"^`{field}"):
        documents.parse(RESOURCE | {field: value})
