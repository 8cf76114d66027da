"""The kinds of objects that the operator reads or writes, and where the API server has them.

A table; nothing here asks a server.
"""

from dataclasses import dataclass

from hybrid_api.v1alpha1 import API_VERSION, KIND

_LEADS_ELSEWHERE = frozenset("/?#%")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of namespaced object."""

    api_version: str
    name: str
    plural: str

    @property
    def group(self) -> str:
        """The API group; empty for the core."""
        return self.api_version.rpartition("/")[0]

    @property
    def root(self) -> str:
        """Where the API server describes the kinds of this group and version."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"

    def path(self, *, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The path of one object, of a namespace's objects, or of all; never one that leads elsewhere."""
        for part in (namespace, name, subresource):
            if part in (".", "..") or not _LEADS_ELSEWHERE.isdisjoint(part):
                raise ValueError(f"Found `{part}`, expected a name that can be a part of a path in the API.")
        where = f"/namespaces/{namespace}" if namespace else ""
        parts = [self.plural, name, subresource]
        return f"{self.root}{where}/{'/'.join(part for part in parts if part)}"


HYBRID_DIFFUSION = Kind(API_VERSION, KIND, "hybriddiffusions")
RAY_SERVICE = Kind("ray.io/v1", "RayService", "rayservices")
RAY_CLUSTER = Kind("ray.io/v1", "RayCluster", "rayclusters")
CONTROLLER_REVISION = Kind("apps/v1", "ControllerRevision", "controllerrevisions")
SERVICE = Kind("v1", "Service", "services")
SECRET = Kind("v1", "Secret", "secrets")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
POD = Kind("v1", "Pod", "pods")
POD_TEMPLATE = Kind("v1", "PodTemplate", "podtemplates")
JOB = Kind("batch/v1", "Job", "jobs")
NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
POD_MONITOR = Kind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
EVENT = Kind("events.k8s.io/v1", "Event", "events")

CHILDREN = (
    CONTROLLER_REVISION,
    SERVICE,
    NETWORK_POLICY,
    DISRUPTION_BUDGET,
    POD_MONITOR,
    JOB,
    RAY_SERVICE,
    RAY_CLUSTER,
    POD,
)
"""Kinds that are watched by the label of the resource they belong to. Secrets are not: who watches one reads all."""

OPTIONAL = (RAY_SERVICE, RAY_CLUSTER, POD_MONITOR)
"""Kinds that other operators bring; they may be absent, or come later."""

_BY_NAME = {
    (kind.api_version, kind.name): kind
    for kind in (HYBRID_DIFFUSION, SECRET, CONFIG_MAP, LEASE, EVENT, POD_TEMPLATE, *CHILDREN)
}


def kind_of(manifest: dict[str, object]) -> Kind:
    """The kind of a manifest; one that is not in the table is a bug."""
    return _BY_NAME[str(manifest["apiVersion"]), str(manifest["kind"])]
