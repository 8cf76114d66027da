"""What objects are called: short enough for Kubernetes and KubeRay, and never twice the same."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_operator import manifests

_RAY_SERVICE = 47
"""KubeRay's limit."""
_LABEL = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")

resource_names = st.from_regex(r"[a-z]([a-z0-9-]{0,36}[a-z0-9])?", fullmatch=True)
segment_names = st.from_regex(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?", fullmatch=True)
revisions = st.text(alphabet="0123456789abcdef", min_size=8, max_size=8)


@given(name=resource_names, revision=revisions, segment=segment_names)
def test_every_name_is_one_that_kubernetes_takes(name: str, revision: str, segment: str) -> None:
    assert len(manifests.ray_service_name(name, revision)) <= _RAY_SERVICE
    for made in (
        manifests.ray_service_name(name, revision),
        manifests.controller_revision_name(name, revision),
        manifests.service_name(name),
        manifests.disruption_budget_name(name),
        manifests.signing_secret_name(name),
        manifests.probe_secret_name(name),
        manifests.job_name(name, revision, segment),
    ):
        assert len(made) <= 63, made
        assert _LABEL.fullmatch(made), made


def test_a_job_name_that_is_cut_keeps_revision_and_segment() -> None:
    name = manifests.job_name("a" * 38, "0123abcd", "s" * 20)
    assert name.endswith(f"-0123abcd-{'s' * 20}")
    assert len(name) == 63


def test_a_job_name_is_cut_only_where_it_must_be() -> None:
    assert manifests.job_name("shapes", "0123abcd", "large") == "shapes-0123abcd-large"


@pytest.mark.parametrize("name", ["signing", "probe", "ingress"])
def test_objects_of_one_kind_have_different_names(name: str) -> None:
    assert manifests.signing_secret_name(name) != manifests.probe_secret_name(name)
