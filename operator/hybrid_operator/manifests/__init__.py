"""The manifests of everything around a resource, by kind of child. Pure: no clock, no API server, no memory."""

from hybrid_operator.manifests.engines import engine_jobs
from hybrid_operator.manifests.labels import selector
from hybrid_operator.manifests.monitor import pod_monitor
from hybrid_operator.manifests.names import (
    controller_revision_name,
    disruption_budget_name,
    job_name,
    probe_secret_name,
    ray_service_name,
    service_name,
    signing_secret_name,
)
from hybrid_operator.manifests.network import disruption_budget, network_policy, service, url
from hybrid_operator.manifests.pods import Defaults
from hybrid_operator.manifests.ray import ray_service
from hybrid_operator.manifests.revisions import controller_revision, pod_templates, rendering, revision_of
from hybrid_operator.manifests.secrets import SEED_BYTES, probe_secret, rotated_signing_secret, signing_secret

__all__ = [
    "SEED_BYTES",
    "Defaults",
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
