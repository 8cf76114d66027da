"""The API server, in the operator's words: get, list, apply, create, delete, status, events, questions to pods.

Only this module knows how Kubernetes wants to be asked. It writes nothing unless its guard lets it, tries nothing
twice and decides nothing.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from hybrid_operator.cluster_errors import AlreadyExists, KindMissing, NotFound, refusal
from hybrid_operator.kinds import EVENT, Kind, kind_of
from hybrid_operator.ownership import FIELD_MANAGER
from hybrid_operator.transport import APPLY, JSON, MERGE, Answer, Request, Transport

METADATA_ONLY = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1,application/json"

Manifest = dict[str, Any]
Guard = Callable[[], None]

_CHUNK = 250
_READS = ("GET", "HEAD")


class Cluster:
    """What can be read and written; errors are those of `cluster_errors`."""

    def __init__(self, transport: Transport, *, guard: Guard) -> None:
        self._transport = transport
        self._guard = guard

    async def get(self, kind: Kind, *, namespace: str, name: str, only_metadata: bool = False) -> Manifest | None:
        """One object as it is now; `None` where there is none."""
        accept = METADATA_ONLY.format("") if only_metadata else JSON
        request = Request(method="GET", path=kind.path(namespace=namespace, name=name), accept=accept)
        try:
            return cast("Manifest", await self._ask(request, about=kind))
        except NotFound:
            return None

    async def list(
        self, kind: Kind, *, namespace: str = "", labels: str = "", only_metadata: bool = False
    ) -> list[Manifest]:
        """The objects that have `labels`, in a namespace or in all."""
        pages = self.pages(kind, namespace=namespace, labels=labels, only_metadata=only_metadata)
        return [each async for page in pages for each in page]

    async def pages(
        self, kind: Kind, *, namespace: str = "", labels: str = "", only_metadata: bool = False
    ) -> AsyncIterator[Sequence[Manifest]]:
        """The same in pieces, for those who need not have all of them at once."""
        accept = METADATA_ONLY.format("List") if only_metadata else JSON
        params = {"limit": str(_CHUNK)} | ({"labelSelector": labels} if labels else {})
        while True:
            path = kind.path(namespace=namespace)
            request = Request(method="GET", path=path, params=params, accept=accept)
            page = await self._ask(request, about=kind)
            # Items of a list say neither their kind nor their version.
            # Where there is none, `items` may be null.
            items = page.get("items") or []
            yield [{**item, "apiVersion": kind.api_version, "kind": kind.name} for item in items]
            if not (token := page["metadata"].get("continue")):
                return
            params["continue"] = token

    async def knows(self, kind: Kind) -> bool:
        """Whether this kind of object is installed."""
        try:
            described = await self._ask(Request(method="GET", path=kind.root), about=kind)
        except KindMissing:
            return False
        return any(resource["name"] == kind.plural for resource in described["resources"])

    async def apply(self, manifest: Manifest, *, over: Manifest | None = None, exactly: bool = False) -> Manifest:
        """Make `manifest` our part of the object, taking fields from others; the object as it is then.

        `over` is the object as it was seen: another of the same name is not touched, and with `exactly` no other
        version of it either.
        """
        if over is not None:
            expected = {"uid": over["metadata"]["uid"]}
            if exactly:
                expected["resourceVersion"] = over["metadata"]["resourceVersion"]
            manifest = {**manifest, "metadata": {**manifest["metadata"], **expected}}
        return cast("Manifest", await self._ask(_apply(manifest), about=kind_of(manifest)))

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Make `manifest`'s status the object's, if it is still the same object."""
        answer = await self._ask(_apply(manifest, subresource="status"), about=kind_of(manifest))
        return cast("Manifest", answer)

    async def create(self, manifest: Manifest) -> Manifest:
        """Make an object that is never changed afterwards; `AlreadyExists` where there is one of its name."""
        kind = kind_of(manifest)
        path, params = kind.path(namespace=manifest["metadata"]["namespace"]), {"fieldManager": FIELD_MANAGER}
        request = Request(method="POST", path=path, params=params, body=manifest)
        return cast("Manifest", await self._ask(request, about=kind))

    async def judge(self, manifest: Manifest) -> None:
        """Have the server refuse what it would refuse to create, a field it does not know among it; nothing is kept."""
        kind = kind_of(manifest)
        params = {"dryRun": "All", "fieldValidation": "Strict"}
        path = kind.path(namespace=manifest["metadata"]["namespace"])
        with suppress(AlreadyExists):  # somebody's of that name; ours has been judged before that is found out
            await self._ask(Request(method="POST", path=path, params=params, body=manifest), about=kind)

    async def amend(self, manifest: Manifest) -> None:
        """Change what `manifest` holds and leave the rest, unread, if the object still has the version it names."""
        kind, metadata = kind_of(manifest), manifest["metadata"]
        path = kind.path(namespace=metadata["namespace"], name=metadata["name"])
        request = Request(
            method="PATCH",
            path=path,
            params={"fieldManager": FIELD_MANAGER},
            body=manifest,
            content_type=MERGE,
            accept=METADATA_ONLY.format(""),
        )
        await self._ask(request, about=kind)

    async def replace(self, manifest: Manifest) -> Manifest:
        """Put an object whole, if it still has the version that `manifest` names."""
        kind, metadata = kind_of(manifest), manifest["metadata"]
        path = kind.path(namespace=metadata["namespace"], name=metadata["name"])
        return cast("Manifest", await self._ask(Request(method="PUT", path=path, body=manifest), about=kind))

    async def delete(self, kind: Kind, manifest: Manifest) -> None:
        """Delete exactly this object and, behind it, what it owns; that it is gone already is fine."""
        metadata = manifest["metadata"]
        path = kind.path(namespace=metadata["namespace"], name=metadata["name"])
        options = {"preconditions": {"uid": metadata["uid"]}, "propagationPolicy": "Background"}
        try:
            await self._ask(Request(method="DELETE", path=path, body=options), about=kind)
        except NotFound:
            return

    async def record(self, event: Manifest) -> None:
        """Post a Kubernetes Event."""
        path = EVENT.path(namespace=event["metadata"]["namespace"])
        await self._ask(Request(method="POST", path=path, body=event), about=EVENT)

    async def ask_through(
        self,
        target: str,
        *,
        namespace: str,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float,
    ) -> Answer:
        """Ask a pod or Service (`pods/NAME:PORT`, `services/NAME:PORT`) through the API server's proxy."""
        return await self._transport.send(
            Request(
                method=method,
                path=f"/api/v1/namespaces/{namespace}/{target}/proxy{path}",
                body=body,
                headers=headers or {},
                timeout_seconds=timeout_seconds,
            )
        )

    async def _ask(self, request: Request, *, about: Kind) -> Any:
        if request.method not in _READS:
            self._guard()
        answer = await self._transport.send(request)
        if answer.status >= 400:
            raise refusal(answer.status, answer.body, retry_after=answer.retry_after, about=about)
        return answer.body


def _apply(manifest: Manifest, *, subresource: str = "") -> Request:
    kind, metadata = kind_of(manifest), manifest["metadata"]
    return Request(
        method="PATCH",
        path=kind.path(namespace=metadata["namespace"], name=metadata["name"], subresource=subresource),
        params={"fieldManager": FIELD_MANAGER, "force": "true"},
        body=manifest,
        content_type=APPLY,
    )
