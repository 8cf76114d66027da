"""Revisions: named by what was written, rendered once, kept as a record."""

import json
import re

from tests.hybrid_operator.manifests.samples import (
    DEFAULTS,
    parsed,
    readme,
    rendered,
    resource,
)

from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator import manifests


def test_a_revision_is_eight_hex_digits() -> None:
    assert re.fullmatch(r"[0-9a-f]{8}", manifests.revision_of(resource()))


def test_the_order_of_what_was_written_does_not_matter() -> None:
    def reversed_keys(value: object) -> object:
        if isinstance(value, dict):
            return {key: reversed_keys(value[key]) for key in reversed(value)}
        return [reversed_keys(each) for each in value] if isinstance(value, list) else value

    turned = reversed_keys(readme())
    assert isinstance(turned, dict)
    assert manifests.revision_of(parsed(turned)) == manifests.revision_of(parsed(readme()))


def test_another_object_of_the_same_content_has_the_same_revision() -> None:
    """An object that was deleted and made again, or restored from a backup, finds its engines."""
    again = readme()
    again["metadata"] |= {"uid": "another", "generation": 7, "namespace": "elsewhere"}
    assert manifests.revision_of(parsed(again)) == manifests.revision_of(parsed(readme()))


def test_a_newer_default_image_is_no_new_revision_but_a_record_has_the_old_one() -> None:
    newer = manifests.Defaults(image="registry.example/serving:2")
    hd = resource()
    assert rendered(hd)["image"] == DEFAULTS.image
    assert manifests.rendering(hd, defaults=newer)["image"] == "registry.example/serving:2"


def test_a_rendering_survives_being_stored(hd: HybridDiffusion) -> None:
    made = rendered(hd)
    assert json.loads(json.dumps(made)) == made


def test_a_record_holds_the_rendering_under_the_revision_s_name() -> None:
    hd = resource()
    record = manifests.controller_revision(hd, rendering=rendered(hd), number=3)
    assert record["metadata"]["name"] == f"shapes-{manifests.revision_of(hd)}"
    assert record["metadata"]["labels"]["hybriddiffusion.io/revision"] == manifests.revision_of(hd)
    assert (record["revision"], record["data"]) == (3, rendered(hd))


def test_every_child_belongs_to_the_resource(hd: HybridDiffusion) -> None:
    revision, rendering = manifests.revision_of(hd), rendered(hd)
    made = [
        manifests.controller_revision(hd, rendering=rendering, number=1),
        manifests.ray_service(hd, revision=revision, rendering=rendering, prices=None),
        manifests.service(hd, revision=revision),
        manifests.signing_secret(hd, seed=bytes(32)),
        manifests.probe_secret(hd, key="a-key"),
        manifests.network_policy(hd),
        manifests.disruption_budget(hd),
        manifests.pod_monitor(hd),
        *manifests.engine_jobs(hd, revision=revision, rendering=rendering),
    ]
    for child in (each for each in made if each is not None):
        (owner,) = child["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == ("HybridDiffusion", "c0ffee", True)
        assert child["metadata"]["namespace"] == "pictures"
        assert child["metadata"]["labels"]["hybriddiffusion.io/name"] == hd.metadata.name


def test_every_pod_can_be_checked_by_a_dry_run() -> None:
    hd = resource()
    made = manifests.pod_templates(hd, rendering=rendered(hd))
    assert {path: each["metadata"]["name"] for path, each in made.items()} == {
        "spec.kubeRay.head.podTemplate": "shapes-head",
        "spec.ingress.podTemplate": "shapes-ingress",
        "spec.segments[large].workers.podTemplate": "shapes-large",
        "spec.segments[small].workers.podTemplate": "shapes-small",
    }


def test_budgets_make_no_revision_and_a_ledger_does() -> None:
    plain = manifests.revision_of(resource())
    budgets = [{"window": "1d", "amount": "1"}, {"tenant": "ada", "window": "7d", "amount": "2"}]
    for number in range(3):
        assert manifests.revision_of(resource({"spec.cost.budgets": budgets[:number]})) == plain
    assert manifests.revision_of(resource({"spec.cost.ledgerSecretRef": {"name": "books"}})) != plain
