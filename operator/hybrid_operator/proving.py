"""Which probes a resource needs, and what their answers mean for it: the join between revisions and the prober.

It knows pods and keys; asking is `probe`, asking again and again is `prober`.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hybrid_operator import kinds, manifests, probe
from hybrid_operator.blueprint import Blueprint
from hybrid_operator.children import INGRESS_ROLE
from hybrid_operator.cluster import Cluster
from hybrid_operator.cluster_errors import ClusterError
from hybrid_operator.observed import Answer, Verdict
from hybrid_operator.prober import Prober
from hybrid_operator.rollout import Phase, Plan
from hybrid_operator.status import AVAILABLE, READY
from hybrid_operator.store import Key

PROBE_TENANT = "probe"
"""The entry of the probe's Secret, and so whom its pictures are booked to."""

_START_TIME = timedelta(seconds=60)
"""A worker that has to start first takes this much longer than a request may."""


@dataclass(frozen=True, slots=True)
class Proving:
    """The prober, and how it asks."""

    cluster: Cluster
    caller: probe.Caller
    prober: Prober

    def health(self, key: Key, plan: Plan, *, before: Mapping[str, Any]) -> Answer:
        """Whether the Service answers. Until it was asked, what status says: a new operator changes no condition."""
        if plan.phase is Phase.SUSPENDED:
            self.prober.forget(key)  # what comes back has to draw again
            return Answer()
        if not plan.serving:
            self.prober.rest(key)
            return Answer()
        address = probe.of_service(manifests.service_name(key.name), namespace=key.namespace)

        async def ask() -> Answer:
            return await probe.is_answering(self.caller, address)

        answer = self.prober.health(key, target=plan.serving, ask=ask)
        if answer.verdict is Verdict.NONE and _condition(before, AVAILABLE) == "True":
            return Answer(verdict=Verdict.PASSED)
        return answer

    def answer(self, key: Key, revision: str) -> Answer:
        """Whether a revision has drawn."""
        return self.prober.proof(key, revision)

    def proof(self, key: Key, plan: Plan, blueprint: Blueprint, *, before: Mapping[str, Any]) -> Answer:
        """Whether the serving revision draws; it drew before requests went there, or they would not."""
        if plan.phase is Phase.SUSPENDED:
            return Answer()
        revision = plan.serving
        was_ready = _condition(before, READY) != "False"
        return self.prober.proof(key, revision, assumed_of=_pods(blueprint, revision) if was_ready else None)

    def prove(self, key: Key, revision: str, blueprint: Blueprint) -> None:
        """Ask a revision for a picture, beside everything else."""
        proven = self.prober.proven(key, revision)
        # A pod that has not drawn before comes first: it is why somebody asks.
        pods = sorted(
            blueprint.children.ready_pods(revision, role=INGRESS_ROLE), key=lambda pod: pod["metadata"]["uid"] in proven
        )

        async def ask() -> Answer:
            if not pods:
                return Answer(verdict=Verdict.FAILED, message="No ingress pod is ready.")
            return await self._ask(probe.of_pod(pods[0]), blueprint)

        self.prober.prove(key, revision, of=_pods(blueprint, revision), ask=ask)

    def prove_again(self, key: Key, revision: str, blueprint: Blueprint) -> None:
        """Ask once more where there are new ingress pods, unless that would wake a worker."""
        if _pods(blueprint, revision) and not blueprint.is_at_zero(revision):
            self.prove(key, revision, blueprint)

    async def in_flight(self, revision: str, blueprint: Blueprint) -> int | None:
        """Requests that a revision works on; `None` where one of its ingress pods does not tell.

        One that runs and is not ready, overloaded or on its way out, may have some and is not asked.
        """
        ready = blueprint.children.ready_pods(revision, role=INGRESS_ROLE)
        if len(blueprint.children.running_pods(revision, role=INGRESS_ROLE)) > len(ready):
            return None
        total = 0
        for pod in ready:
            found = await probe.in_flight(self.caller, probe.of_pod(pod))
            if found is None:
                return None
            total += found
        return total

    def keep(self, key: Key, *, revisions: tuple[str, ...]) -> None:
        """Forget the proofs of other revisions."""
        self.prober.keep(key, revisions=revisions)

    def forget(self, key: Key) -> None:
        """Ask nothing more."""
        self.prober.forget(key)

    async def _ask(self, address: probe.Address, blueprint: Blueprint) -> Answer:
        hd = blueprint.hd
        try:
            key = await self._key(blueprint)
        except ClusterError as error:
            return Answer(verdict=Verdict.FAILED, message=str(error))
        return await probe.is_drawing(
            self.caller,
            address,
            model=hd.metadata.name,
            most_steps=hd.spec.requests.limits.steps,
            key=key,
            timeout_seconds=(hd.spec.requests.defaults.deadline + _START_TIME).total_seconds(),
        )

    async def _key(self, blueprint: Blueprint) -> str | None:
        """The probe's own API key; `None` where the service asks for none."""
        hd = blueprint.hd
        if hd.spec.ingress.api_keys_secret_ref is None:
            return None
        name = manifests.probe_secret_name(hd.metadata.name)
        secret = await self.cluster.get(kinds.SECRET, namespace=hd.metadata.namespace, name=name)
        return base64.b64decode(secret["data"][PROBE_TENANT]).decode().strip() if secret else None


def _pods(blueprint: Blueprint, revision: str) -> frozenset[str]:
    """What has to be proven: the ingress pods. Workers come and go with the load."""
    pods = blueprint.children.ready_pods(revision, role=INGRESS_ROLE)
    return frozenset(str(pod["metadata"]["uid"]) for pod in pods)


def _condition(status: Mapping[str, Any], type_: str) -> str:
    found = (each["status"] for each in status.get("conditions", []) if each["type"] == type_)
    return next(found, "Unknown")
