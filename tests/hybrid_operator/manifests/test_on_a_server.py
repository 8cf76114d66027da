"""What a real API server says of the manifests: strict server-side apply, ownership, the `restricted` pod standard."""

from collections.abc import Iterator
from copy import deepcopy

import pytest
from tests.hybrid_operator.manifests.conftest import Make
from tests.hybrid_operator.manifests.samples import DEFAULTS, Manifest, changed, containers, rendered
from tests.hybrid_operator.manifests.server import Server

from hybrid_api import documents
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator import manifests
from hybrid_operator.ownership import is_as_desired

pytestmark = [pytest.mark.component, pytest.mark.timeout(1800)]

_MADE_ONCE = ("Job", "Secret")


def stored(server: Server, manifest: Manifest) -> HybridDiffusion:
    """The resource as the operator would read it."""
    manifest["metadata"]["namespace"] = "restricted"
    live = server.apply(manifest)
    return documents.parse({key: live[key] for key in ("apiVersion", "kind", "metadata", "spec")})


def children(hd: HybridDiffusion) -> list[Manifest]:
    revision, rendering = manifests.revision_of(hd), rendered(hd)
    made = [
        manifests.controller_revision(hd, rendering=rendering, number=1),
        manifests.signing_secret(hd, seed=bytes(32)),
        manifests.probe_secret(hd, key="a-key"),
        manifests.service(hd, revision=revision),
        manifests.network_policy(hd),
        manifests.disruption_budget(hd),
        manifests.pod_monitor(hd),
        *manifests.engine_jobs(hd, revision=revision, rendering=rendering),
        manifests.ray_service(hd, revision=revision, rendering=rendering, prices=None),
    ]
    return [each for each in made if each is not None]


def pods(hd: HybridDiffusion) -> Iterator[Manifest]:
    """Every pod of Ray and of engine builds."""
    rendering = rendered(hd)
    jobs = manifests.engine_jobs(hd, revision=manifests.revision_of(hd), rendering=rendering)
    templates = [each["template"] for each in manifests.pod_templates(hd, rendering=rendering).values()]
    for number, template in enumerate([*templates, *(job["spec"]["template"] for job in jobs)]):
        pod = {"apiVersion": "v1", "kind": "Pod", **deepcopy(template)}
        pod["metadata"] |= {"name": f"pod-{number}", "namespace": "restricted"}
        yield pod


def test_every_manifest_is_accepted_and_then_as_desired(make: Make, server: Server) -> None:
    """A field that the server dropped, completed or put in another form would be written again for ever."""
    for desired in children(stored(server, make())):
        live = server.apply(desired)
        assert desired["kind"] in _MADE_ONCE or is_as_desired(live, desired), f"{desired}\n\n{live}"


def test_applying_again_writes_nothing(make: Make, server: Server) -> None:
    for desired in children(stored(server, make())):
        first, second = server.apply(desired), server.apply(desired)
        assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"], desired["kind"]


def test_the_server_s_defaults_do_not_change_the_revision(make: Make, server: Server) -> None:
    assert manifests.revision_of(stored(server, make())) == manifests.revision_of(documents.parse(make()))


def test_every_pod_keeps_to_the_restricted_standard(make: Make, server: Server) -> None:
    for pod in pods(stored(server, make())):
        server.apply(pod, dry_run=True)


def test_a_pod_that_does_not_is_refused(server: Server) -> None:
    """That the server judges at all."""
    loose = containers({"name": "ray", "securityContext": {"allowPrivilegeEscalation": True}})
    hd = stored(server, changed({"metadata.name": "loose", "spec.ingress.podTemplate": loose}))
    (ingress,) = [pod for pod in pods(hd) if pod["metadata"]["labels"]["hybriddiffusion.io/role"] == "ingress"]
    with pytest.raises(AssertionError, match=r"violates PodSecurity \"restricted"):
        server.apply(ingress, dry_run=True)


def test_every_pod_template_passes_a_strict_dry_run(make: Make, server: Server) -> None:
    hd = stored(server, make())
    for template in manifests.pod_templates(hd, rendering=manifests.rendering(hd, defaults=DEFAULTS)).values():
        server.apply(template, dry_run=True)


def test_a_misspelt_field_of_a_pod_template_is_refused_by_name(server: Server) -> None:
    misspelt = {"spec": {"nodeselector": {"a": "b"}}}
    hd = stored(server, changed({"metadata.name": "misspelt", "spec.ingress.podTemplate": misspelt}))
    templates = manifests.pod_templates(hd, rendering=rendered(hd))
    with pytest.raises(AssertionError, match=r"nodeselector"):
        server.apply(templates["spec.ingress.podTemplate"], dry_run=True)
