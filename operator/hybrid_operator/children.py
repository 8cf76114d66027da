"""The objects around one resource as last seen, told apart by kind, owner and revision.

Values and look-ups; nothing is asked or decided here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hybrid_operator import kinds
from hybrid_operator.kinds import Kind

LABEL_NAME = "hybriddiffusion.io/name"
LABEL_REVISION = "hybriddiffusion.io/revision"
LABEL_ROLE = "hybriddiffusion.io/role"
LABEL_SEGMENT = "hybriddiffusion.io/segment"
INGRESS_ROLE = "ingress"
ENGINES_ROLE = "engines"
ENGINES_CONTAINER = "engines"
"""The container that builds engines, of a Job or before a worker."""

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Children:
    """Objects that carry the resource's name as a label."""

    owner_uid: str
    objects: tuple[Manifest, ...]

    def owned(self, kind: Kind) -> list[Manifest]:
        """Objects of a kind that the resource itself owns."""
        return [each for each in self._of(kind) if is_owned(each, self.owner_uid)]

    def named(self, kind: Kind, name: str) -> Manifest | None:
        """The object of that kind and name, whoever owns it."""
        return next((each for each in self._of(kind) if each["metadata"]["name"] == name), None)

    def of_revision(self, kind: Kind, revision: str) -> list[Manifest]:
        """Objects of a kind that carry the revision as a label, such as the pods that KubeRay makes."""
        return [each for each in self._of(kind) if label(each, LABEL_REVISION) == revision]

    def pods_of(self, owner: Manifest) -> list[Manifest]:
        """Pods that a Job made."""
        uid = owner["metadata"]["uid"]
        return [pod for pod in self._of(kinds.POD) if is_owned(pod, uid)]

    def ready_pods(self, revision: str, *, role: str = "", segment: str = "") -> list[Manifest]:
        """Pods of a revision that take requests, in the order of their names."""
        found = [
            pod
            for pod in self.of_revision(kinds.POD, revision)
            if is_ready(pod)
            and (not role or label(pod, LABEL_ROLE) == role)
            and (not segment or label(pod, LABEL_SEGMENT) == segment)
        ]
        return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))

    def running_pods(self, revision: str, *, role: str) -> list[Manifest]:
        """Pods of a revision that have begun and not ended, whether or not they take requests."""
        return [
            pod
            for pod in self.of_revision(kinds.POD, revision)
            if label(pod, LABEL_ROLE) == role and (is_ready(pod) or (pod.get("status") or {}).get("phase") == "Running")
        ]

    def _of(self, kind: Kind) -> Iterable[Manifest]:
        return (each for each in self.objects if (each["apiVersion"], each["kind"]) == (kind.api_version, kind.name))


def is_owned(manifest: Mapping[str, Any], owner_uid: str) -> bool:
    """Whether the object's controller is the owner with that uid."""
    references = manifest["metadata"].get("ownerReferences", [])
    return any(reference["uid"] == owner_uid and reference.get("controller") for reference in references)


def label(manifest: Mapping[str, Any], name: str) -> str:
    """A label's value; empty where there is none."""
    return str((manifest["metadata"].get("labels") or {}).get(name, ""))


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a pod takes requests."""
    conditions = (pod.get("status") or {}).get("conditions", [])
    is_true = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return is_true and not pod["metadata"].get("deletionTimestamp")
