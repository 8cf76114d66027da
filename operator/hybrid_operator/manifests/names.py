"""What the objects around a resource are called. Everything derives from the resource's name and revision.

A name is a promise to users and to running clusters: one that changes leaves an orphan behind.
"""

LONGEST = 63
"""Of a Job, whose name becomes a label of its pods."""

RAY_CONTAINER = "ray"
"""The container of every Ray pod that runs Ray; pod templates merge into it by this name."""


def ray_service_name(name: str, revision: str) -> str:
    """RayService of a revision; at most 47 characters, which is as much as KubeRay allows."""
    return f"{name}-{revision}"


def controller_revision_name(name: str, revision: str) -> str:
    """Record of a revision."""
    return f"{name}-{revision}"


def service_name(name: str) -> str:
    """Service in front of the revision that serves; also the NetworkPolicy and the PodMonitor."""
    return name


def disruption_budget_name(name: str) -> str:
    """PodDisruptionBudget of the ingress's pods."""
    return f"{name}-ingress"


def signing_secret_name(name: str) -> str:
    """Secret with the signing keys that were made for a resource that names none."""
    return f"{name}-signing"


def probe_secret_name(name: str) -> str:
    """Secret with the API key of the deep probe."""
    return f"{name}-probe"


def job_name(name: str, revision: str, segment: str) -> str:
    """Job that builds a segment's engines; a long resource name is cut, the revision keeps it unique."""
    tail = f"-{revision}-{segment}"
    return name[: LONGEST - len(tail)].rstrip("-") + tail
