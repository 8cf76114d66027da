"""Carries a plan out: makes every object as desired, deletes what shall go, and writes nothing where nothing differs.

It never adopts an object that the resource does not own, and deletes nothing that it has not just seen in the API.
"""

import logging
from collections.abc import Callable
from secrets import token_bytes
from typing import Any

from hybrid_operator import kinds, manifests, metrics
from hybrid_operator.blueprint import Blueprint
from hybrid_operator.children import LABEL_REVISION, Children, is_owned, label
from hybrid_operator.cluster import Cluster
from hybrid_operator.cluster_errors import AlreadyExists, Conflict, Invalid, KindMissing, NameTaken
from hybrid_operator.kinds import Kind, kind_of
from hybrid_operator.observed import Failure
from hybrid_operator.ownership import is_as_desired
from hybrid_operator.rollout import Action, Build, Probe, Record, Remove, Route, Run, Stop
from hybrid_operator.store import Store

logger = logging.getLogger(__name__)

Manifest = dict[str, Any]

_SWITCHED = (kinds.NETWORK_POLICY, kinds.DISRUPTION_BUDGET, kinds.POD_MONITOR)
"""Kinds of which a resource has an object or not, as its fields say."""


class Execution:
    """One resource's objects, and the hands that change them."""

    def __init__(self, cluster: Cluster, store: Store, *, blueprint: Blueprint, prove: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._store = store
        self._blueprint = blueprint
        self._prove = prove

    @property
    def _children(self) -> Children:
        return self._blueprint.children

    async def carry_out(self, actions: tuple[Action, ...]) -> None:
        """Take the steps in their order; the first that fails ends it."""
        for action in actions:
            await self._take(action)

    async def examine(self, actions: tuple[Action, ...]) -> Failure | None:
        """What the API server says against the pods of a revision that is about to be recorded, if anything.

        The resource's schema does not know pods, and KubeRay would leave a wrong one to a log of its own.
        """
        recorded = [action.revision for action in actions if isinstance(action, Record)]
        new = [revision for revision in recorded if not self._blueprint.is_recorded(revision)]
        for path, template in (item for revision in new for item in self._blueprint.pod_templates(revision).items()):
            try:
                await self._cluster.judge(template)
            except Invalid as error:
                where = f"`{path}` or `spec.kubeRay.podTemplate`"
                return Failure("PodTemplateInvalid", f"Pods cannot be made as {where} has them: {error}")
        return None

    async def equip(self, secrets: dict[str, Callable[[], Manifest]]) -> Failure | None:
        """Make the objects beside the revisions, and delete those that were switched off; what could not be had."""
        lacking = None
        await self._equip_secrets(secrets)
        wanted = self._blueprint.accessories()
        for manifest in wanted:
            try:
                await self._ensure(manifest)
            except KindMissing as error:  # a PodMonitor where nobody would read it
                lacking = Failure(f"{manifest['kind']}Missing", str(error))
        names = {(each["kind"], each["metadata"]["name"]) for each in wanted}
        for kind in _SWITCHED:
            for live in self._children.owned(kind):
                if (kind.name, live["metadata"]["name"]) not in names:
                    await self._delete(kind, live)
        return lacking

    async def _equip_secrets(self, secrets: dict[str, Callable[[], Manifest]]) -> None:
        """Secrets are looked for by name, one by one: the operator has no right to list them.

        One that was made goes only when no revision mounts it any more; pods of one that serves may come at any time.
        """
        hd = self._blueprint.hd.metadata
        for name in (manifests.signing_secret_name(hd.name), manifests.probe_secret_name(hd.name)):
            live = await self._cluster.get(kinds.SECRET, namespace=hd.namespace, name=name, only_metadata=True)
            if name in secrets and live is None:
                await self._create_once(kinds.SECRET, name, secrets[name])
            elif name in secrets and live is not None:
                self._check_ours(kinds.SECRET, live)
                await self._rotate(live)
            elif live is not None and is_owned(live, self._children.owner_uid) and not self._blueprint.mentions(name):
                await self._delete(kinds.SECRET, live)

    async def _rotate(self, live: Manifest) -> None:
        hd = self._blueprint.hd
        if live["metadata"]["name"] != manifests.signing_secret_name(hd.metadata.name):
            return
        if change := manifests.rotated_signing_secret(hd, live, seed=token_bytes(manifests.SEED_BYTES)):
            await self._cluster.amend(change)
            self._note("amend", change)

    async def _take(self, action: Action) -> None:
        blueprint = self._blueprint
        match action:
            case Record(revision, number):
                await self._ensure(blueprint.record(revision, number=number))
            case Route(revision):
                await self._ensure(blueprint.service(revision), exactly=True)
            case Build(revision):
                for job in blueprint.jobs(revision):
                    await self._create_once(kinds.JOB, job["metadata"]["name"], lambda job=job: job)  # type: ignore[misc]  # a default binds the loop's value
            case Run(revision):
                if (ray_service := blueprint.ray_service(revision)) is not None:
                    await self._ensure(ray_service)
            case Probe(revision):
                self._prove(revision)
            case Stop(revision):
                await self._stop(revision)
            case Remove(revision):
                await self._check_unused(revision)
                await self._remove(revision)

    async def _ensure(self, desired: Manifest, *, exactly: bool = False) -> None:
        kind = kind_of(desired)
        live = await self._find(kind, desired["metadata"]["name"])
        if live and (live["metadata"].get("deletionTimestamp") or is_as_desired(live, desired)):
            return
        try:
            applied = await self._cluster.apply(desired, over=live, exactly=exactly)
        except Conflict:
            # Somebody was faster. What is known is old, and the watch may take its time.
            await self._find(kind, desired["metadata"]["name"], is_known=False)
            raise
        self._note("apply", applied)

    async def _create_once(self, kind: Kind, name: str, make: Callable[[], Manifest]) -> None:
        if await self._find(kind, name):
            return
        try:
            self._note("create", await self._cluster.create(make()))
        except AlreadyExists:
            # Ours, if an earlier answer was lost; the next look tells.
            await self._find(kind, name, is_known=False)

    async def _find(self, kind: Kind, name: str, *, is_known: bool = True) -> Manifest | None:
        """The object of that name, in the store or, since others need not carry our labels, in the API."""
        namespace = self._blueprint.hd.metadata.namespace
        live = self._children.named(kind, name) if is_known else None
        if live is None:
            is_secret = kind == kinds.SECRET
            live = await self._cluster.get(kind, namespace=namespace, name=name, only_metadata=is_secret)
            self._keep(kind, live)
        if live is not None:
            self._check_ours(kind, live)
        return live

    def _check_ours(self, kind: Kind, live: Manifest) -> None:
        if not is_owned(live, self._children.owner_uid):
            raise NameTaken(f"{kind.name} `{live['metadata']['name']}`", owner=self._blueprint.hd.metadata.name)

    async def _stop(self, revision: str) -> None:
        for live in self._children.owned(kinds.RAY_SERVICE):
            if label(live, LABEL_REVISION) == revision:
                await self._delete(kinds.RAY_SERVICE, live)
        for live in self._children.owned(kinds.JOB):
            if label(live, LABEL_REVISION) == revision and not _has_succeeded(live):
                await self._delete(kinds.JOB, live)

    async def _remove(self, revision: str) -> None:
        """The record goes last: as long as it is there, the revision is known to be left over."""
        for kind in (kinds.RAY_SERVICE, kinds.JOB, kinds.CONTROLLER_REVISION):
            for live in self._children.owned(kind):
                if label(live, LABEL_REVISION) == revision:
                    await self._delete(kind, live)

    async def _check_unused(self, revision: str) -> None:
        """The Service as it is now, not as last seen, must not select what is about to be deleted."""
        hd = self._blueprint.hd
        name = manifests.service_name(hd.metadata.name)
        service = await self._cluster.get(kinds.SERVICE, namespace=hd.metadata.namespace, name=name)
        if service is None:
            return
        self._store.put(kinds.SERVICE, service)
        if (service["spec"].get("selector") or {}).get(LABEL_REVISION) == revision:
            raise Conflict(f"Service `{name}` selects revision `{revision}`, so it is not deleted.", status=409)

    async def _delete(self, kind: Kind, known: Manifest) -> None:
        if known["metadata"].get("deletionTimestamp"):
            return
        namespace, name = known["metadata"]["namespace"], known["metadata"]["name"]
        try:
            live = await self._cluster.get(kind, namespace=namespace, name=name)
        except KindMissing:
            live = None
        if live is None:
            self._store.drop(kind, known)
        elif is_owned(live, self._children.owner_uid):
            await self._cluster.delete(kind, live)
            metrics.WRITES.labels(kind.name, "delete").inc()
            logger.info("Deleted %s %s/%s.", kind.name, namespace, name)
            self._store.drop(kind, live)

    def _note(self, verb: str, manifest: Manifest) -> None:
        kind = kind_of(manifest)
        metrics.WRITES.labels(kind.name, verb).inc()
        metadata = manifest["metadata"]
        logger.info("Wrote %s %s/%s (%s).", kind.name, metadata["namespace"], metadata["name"], verb)
        self._keep(kind, manifest)

    def _keep(self, kind: Kind, manifest: Manifest | None) -> None:
        """What was just read or written is known at once; values of Secrets are never kept."""
        if manifest is not None and kind != kinds.SECRET:
            self._store.put(kind, manifest)


def _has_succeeded(job: Manifest) -> bool:
    conditions = (job.get("status") or {}).get("conditions", [])
    return any(each["type"] == "Complete" and each["status"] == "True" for each in conditions)
