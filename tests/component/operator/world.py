"""A real API server as tests see it: one namespace, over plain HTTP, independent of the operator's own client."""

import copy
import functools
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from e2e.cluster.control_plane import ControlPlane
from hybrid_operator import kinds
from hybrid_operator.kinds import Kind

Manifest = dict[str, Any]

SAMPLE = Path(__file__).parents[3] / "e2e" / "samples" / "shapes.yaml"
NAME = "shapes"
_CREATED, _INVALID = 201, 422
_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts")


@functools.cache
def _sample() -> list[Manifest]:
    return list(yaml.safe_load_all(SAMPLE.read_text()))


def until(condition: Callable[[], Any], *, what: str, seconds: float = 30.0) -> Any:
    """Wait until a condition holds, and return what it found; say what did not come about."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} did not come about in {seconds:.0f} s"
        time.sleep(0.05)
    return found


class World:
    """One namespace, and what is in it."""

    def __init__(self, plane: ControlPlane, *, namespace: str) -> None:
        self.plane = plane
        self.namespace = namespace
        headers = {"Authorization": f"Bearer {plane.token}"}
        self._http = httpx.Client(
            base_url=plane.url, headers=headers, verify=ssl.create_default_context(cafile=plane.certificate), timeout=30
        )

    def close(self) -> None:
        self._http.close()

    def find(self, kind: Kind, name: str) -> Manifest | None:
        answer = self._http.get(kind.path(namespace=self.namespace, name=name))
        return None if answer.status_code == 404 else self._body(answer)

    def get(self, kind: Kind, name: str) -> Manifest:
        found = self.find(kind, name)
        assert found is not None, f"no {kind.name} `{name}`"
        return found

    def all(self, kind: Kind, **labels: str) -> list[Manifest]:
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        answer = self._http.get(kind.path(namespace=self.namespace), params={"labelSelector": selector})
        return [] if answer.status_code == 404 else list(self._body(answer)["items"])

    def create(self, manifest: Mapping[str, Any]) -> Manifest:
        kind = _ACCOUNT if manifest["kind"] == "ServiceAccount" else kinds.kind_of(dict(manifest))
        named = {**manifest, "metadata": {**manifest["metadata"], "namespace": self.namespace}}
        return self._body(self._http.post(kind.path(namespace=self.namespace), json=named))

    def put(self, manifest: Mapping[str, Any]) -> Manifest:
        """Create it, or replace its spec whole."""
        kind, name = kinds.kind_of(dict(manifest)), manifest["metadata"]["name"]
        if (known := self.find(kind, name)) is None:
            return self.create(manifest)
        path = kind.path(namespace=self.namespace, name=name)
        return self._body(self._http.put(path, json={**known, "spec": manifest["spec"]}))

    def patch(self, kind: Kind, name: str, change: Mapping[str, Any], *, subresource: str = "") -> Manifest:
        path = kind.path(namespace=self.namespace, name=name, subresource=subresource)
        content_type = {"Content-Type": "application/merge-patch+json"}
        return self._body(self._http.patch(path, json=change, headers=content_type))

    def delete(self, kind: Kind, name: str) -> None:
        self._http.delete(kind.path(namespace=self.namespace, name=name))

    def request(self, method: str, path: str, **more: Any) -> Any:
        return self._body(self._http.request(method, path, **more))

    def sample(self) -> list[Manifest]:
        """The README's resource, and behind it what it refers to."""
        return copy.deepcopy(_sample())

    def forget_garbage(self) -> None:
        """Wait until pods whose owner is gone are collected."""
        until(
            lambda: {self._owner(pod) for pod in self.all(kinds.POD)} <= self._uids(), what="collected pods", seconds=90
        )

    def _owner(self, pod: Manifest) -> str:
        return str(pod["metadata"]["ownerReferences"][0]["uid"])

    def _uids(self) -> set[str]:
        owners = (*self.all(kinds.RAY_SERVICE), *self.all(kinds.JOB))
        return {str(owner["metadata"]["uid"]) for owner in owners}

    def apply_sample(self, **changes: Any) -> Manifest:
        """The README's resource, and what it refers to, in this namespace."""
        documents = self.sample()
        for document in documents[1:]:
            self.create(document)
        resource = documents[0]
        resource["spec"] |= changes
        return self.create(resource)

    def resource(self, name: str = NAME) -> Manifest:
        return self.get(kinds.HYBRID_DIFFUSION, name)

    def change(self, spec: Mapping[str, Any], *, name: str = NAME) -> Manifest:
        return self.patch(kinds.HYBRID_DIFFUSION, name, {"spec": spec})

    def condition(self, type_: str, *, name: str = NAME) -> tuple[str, str]:
        """Status and reason, both empty while there is none."""
        for each in (self.resource(name).get("status") or {}).get("conditions", []):
            if each["type"] == type_:
                return each["status"], each["reason"]
        return "", ""

    def revisions(self) -> set[str]:
        """Revisions that have a RayService."""
        return {each["metadata"]["labels"]["hybriddiffusion.io/revision"] for each in self.all(kinds.RAY_SERVICE)}

    def selected(self, name: str = NAME) -> str:
        """The revision that the Service selects."""
        service = self.find(kinds.SERVICE, name)
        return service["spec"]["selector"]["hybriddiffusion.io/revision"] if service else ""

    def writes(self) -> list[str]:
        """What the operator wrote in this namespace, by the API server's own account."""
        with self.plane.audit_log.open() as lines:
            entries = [json.loads(line) for line in lines if self.namespace in line]
        mine = [each for each in entries if each["userAgent"] == "hybrid-diffusion-operator"]
        return [f"{each['verb']} {each['requestURI']}" for each in mine if each["verb"] not in ("get", "list", "watch")]

    def wait_for_quiet(self, *, seconds: float = 3.0) -> None:
        """Return when the operator has asked nothing of this namespace for a while."""
        quiet_since, seen = time.monotonic(), -1
        while time.monotonic() - quiet_since < seconds:
            now = sum(self.namespace in line and "watch=true" not in line for line in self._audit())
            if now != seen:
                quiet_since, seen = time.monotonic(), now
            time.sleep(0.2)

    def _audit(self) -> list[str]:
        return [line for line in self.plane.audit_log.read_text().splitlines() if "hybrid-diffusion-operator" in line]

    @contextmanager
    def definition_without_rules(self) -> Iterator[None]:
        """The resource's definition as if its rules were another day's; what is served follows a definition late."""
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/hybriddiffusions.hybriddiffusion.io"
        before = self.request("GET", path)
        loose = copy.deepcopy(before)
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        loose["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = schema
        self.request("PUT", path, json=loose)
        try:
            until(lambda: self._answer_to_nonsense() == _CREATED, what="a definition without rules")
            yield
        finally:
            content_type = {"Content-Type": "application/merge-patch+json"}
            change = {"spec": {"versions": before["spec"]["versions"]}}
            self.request("PATCH", path, json=change, headers=content_type)
            until(lambda: self._answer_to_nonsense() == _INVALID, what="the definition's rules")

    def _answer_to_nonsense(self) -> int:
        """How a resource that breaks every rule would be received."""
        kind = kinds.HYBRID_DIFFUSION
        nonsense = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": "nonsense"}, "spec": {}}
        answer = self._http.post(kind.path(namespace=self.namespace), params={"dryRun": "All"}, json=nonsense)
        return answer.status_code

    @staticmethod
    def _body(answer: httpx.Response) -> Any:
        assert answer.is_success, (
            f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:600]}"
        )
        return answer.json()
