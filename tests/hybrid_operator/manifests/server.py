"""The API server, asked as the operator asks it: strictly, and from the server's side."""

import time
from collections.abc import Callable
from typing import TypeVar

import httpx
from tests.hybrid_operator.manifests.samples import Manifest

from hybrid_operator import kinds
from hybrid_operator.ownership import FIELD_MANAGER

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_PATIENCE_SECONDS = 90.0

Found = TypeVar("Found")


class Server:
    """A real one; every refusal and every warning is an error."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def apply(self, manifest: Manifest, *, path: str = "", dry_run: bool = False) -> Manifest:
        """Make the manifest so; a field that the server would drop in silence is refused."""
        params = {"fieldManager": FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"}
        params |= {"dryRun": "All"} if dry_run else {}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        answer = self._client.patch(path or path_of(manifest), params=params, json=manifest, headers=headers)
        assert answer.is_success, answer.json()["message"]
        assert "warning" not in answer.headers, answer.headers["warning"]
        live: Manifest = answer.json()
        return live

    def change(self, path: str, patch: Manifest) -> None:
        """Change an object as somebody else would."""
        headers = {"Content-Type": "application/merge-patch+json"}
        answer = self._client.patch(path, json=patch, headers=headers)
        assert answer.is_success, answer.json()["message"]

    def items(self, path: str, *, labels: str = "") -> list[Manifest]:
        answer = self._client.get(path, params={"labelSelector": labels})
        assert answer.is_success, answer.json()["message"]
        found: list[Manifest] = answer.json()["items"]
        return found

    def define(self, definition: Manifest) -> None:
        """Install a definition and wait until the server serves it."""
        self.apply(definition, path=f"{_DEFINITIONS}/{definition['metadata']['name']}")
        group, names = definition["spec"]["group"], definition["spec"]["names"]
        for version in (each["name"] for each in definition["spec"]["versions"]):
            path = f"/apis/{group}/{version}/{names['plural']}"
            until(lambda path=path: self._client.get(path).is_success, what=names["kind"])  # type: ignore[misc]  # a default binds the loop's value


def until(look: Callable[[], Found], *, what: str) -> Found:
    """What `look` finds, as soon as it is anything."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, f"no {what} after {_PATIENCE_SECONDS:.0f} s"
        time.sleep(0.05)
    return found


def path_of(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    match manifest["kind"]:
        case "PodTemplate":
            return f"/api/v1/namespaces/{metadata['namespace']}/podtemplates/{metadata['name']}"
        case "Namespace":
            return f"/api/v1/namespaces/{metadata['name']}"
        case "PriorityClass":
            return f"/apis/scheduling.k8s.io/v1/priorityclasses/{metadata['name']}"
    return kinds.kind_of(manifest).path(namespace=metadata["namespace"], name=metadata["name"])
