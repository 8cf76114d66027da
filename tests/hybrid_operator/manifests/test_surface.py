"""What the rest of the operator may use of the manifests."""

from hybrid_operator import manifests


def test_the_public_surface_is_this() -> None:
    assert sorted(manifests.__all__) == [
        "Defaults",
        "SEED_BYTES",
        "controller_revision",
        "controller_revision_name",
        "disruption_budget",
        "disruption_budget_name",
        "engine_jobs",
        "job_name",
        "network_policy",
        "pod_monitor",
        "pod_templates",
        "probe_secret",
        "probe_secret_name",
        "ray_service",
        "ray_service_name",
        "rendering",
        "revision_of",
        "rotated_signing_secret",
        "selector",
        "service",
        "service_name",
        "signing_secret",
        "signing_secret_name",
        "url",
    ]
