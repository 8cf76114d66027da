"""One resource, one step closer: observe, desire, plan, carry out, summarise. Safe to repeat, to crash, to run late.

This is the join; every decision is made elsewhere, from values.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from secrets import token_bytes, token_urlsafe
from typing import Any

from hybrid_api import documents
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator import estimates, kinds, manifests, metrics, observation, prices, report, rollout, status
from hybrid_operator.announcer import Announcer
from hybrid_operator.bill import Bill
from hybrid_operator.blueprint import Blueprint
from hybrid_operator.children import Children
from hybrid_operator.cluster import Cluster
from hybrid_operator.cluster_errors import OBSTACLES, obstacle_of
from hybrid_operator.execution import Execution
from hybrid_operator.last_words import LastWords
from hybrid_operator.observed import Answer, Failure, Observed, Revision, Stage, Verdict
from hybrid_operator.proving import Proving
from hybrid_operator.references import References, resolve
from hybrid_operator.rollout import Goal, Plan
from hybrid_operator.store import Key, Store

logger = logging.getLogger(__name__)

Manifest = dict[str, Any]

_LOOK_AT_OBSTACLE = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class _Case:
    """One resource as it is now, and what is to be made of it."""

    key: Key
    live: Manifest
    blueprint: Blueprint
    goal: Goal
    references: References

    @property
    def before(self) -> Manifest:
        """The status as it is."""
        return self.live.get("status") or {}


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What carrying a plan out came to."""

    obstacle: Failure | None = None
    """What stands in its way until somebody does something."""
    lacking: Failure | None = None
    """What could not be had and is done without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """What reconciling needs; the same for all resources."""

    cluster: Cluster
    store: Store
    proving: Proving
    announcer: Announcer
    bill: Bill
    defaults: manifests.Defaults
    clock: Callable[[], datetime]
    last_words: LastWords = field(default_factory=LastWords)
    default_prices: Callable[[], Mapping[str, str] | None] = lambda: None
    """The installation's price list as it is now."""

    async def reconcile(self, key: Key) -> timedelta | None:
        """Bring the cluster one step closer to the resource; when to look again though nothing is heard."""
        live = self.store.get(kinds.HYBRID_DIFFUSION, namespace=key.namespace, name=key.name)
        if live is None or live["metadata"].get("deletionTimestamp"):
            # The garbage collector takes the children; making any now would race with it.
            self.proving.forget(key)
            self.bill.forget(key)
            self.last_words.forget(key)
            metrics.forget(namespace=key.namespace, name=key.name)
            return None
        try:
            hd = documents.parse(live)
        except documents.DocumentError as error:
            # What serves is left as it is, and so is what is remembered of it.
            await self.announcer.say(live, live.get("status") or {}, status.unreadable(str(error)))
            return None
        return await self._reconcile(await self._case(key, live, hd))

    async def _case(self, key: Key, live: Manifest, hd: HybridDiffusion) -> _Case:
        references = await resolve(hd, self.cluster, default_prices=self.default_prices())
        if not references.price_failure:
            self.bill.reprice(key, references.prices)
        blueprint = Blueprint(
            hd=hd,
            revision=manifests.revision_of(hd),
            children=Children(live["metadata"]["uid"], self.store.children(key)),
            defaults=self.defaults,
            prices=references.prices,
            keeps_prices=references.price_failure is not None,
        )
        return _Case(key, live, blueprint, blueprint.goal(), references)

    async def _reconcile(self, case: _Case) -> timedelta | None:
        blueprint, key = case.blueprint, case.key
        observed = await self._observe(case)
        plan = rollout.plan(case.goal, observed, now=self.clock())
        outcome = await self._carry_out(plan, case)
        facts = self._facts(case, plan=plan, observed=observed, outcome=outcome)
        if plan.serving == blueprint.revision:
            self.proving.prove_again(key, plan.serving, blueprint)
        rest = report.summary(blueprint.hd, children=blueprint.children, plan=plan) | _estimate(case, facts)
        await self.announcer.say(case.live, rest, status.conditions(facts))
        is_troubled = facts.obstacle is not None or facts.proof.verdict is Verdict.FAILED
        # Nobody tells when an obstacle goes, and a plan that stopped at one may wait for something much later.
        return rollout.soonest(_LOOK_AT_OBSTACLE if is_troubled else None, plan.look_again)

    async def _observe(self, case: _Case) -> Observed:
        blueprint, wanted = case.blueprint, case.blueprint.revision
        service_name = manifests.service_name(case.key.name)
        observed = observation.observe(blueprint.children, service_name=service_name, status=case.before)
        revisions = []
        for each in observed.revisions:
            known = self.last_words.recalled(case.key, each)
            known = _with_proof(known, self.proving.answer(case.key, each.name))
            if each.name == wanted:
                known = _with_missing_jobs(known, blueprint)
            elif each.name != observed.routed and each.service is not Stage.ABSENT:
                known = replace(known, in_flight=await self.proving.in_flight(each.name, blueprint))
            revisions.append(known)
        self.last_words.keep(case.key, revisions=[each.name for each in revisions])
        return replace(observed, revisions=tuple(revisions))

    async def _carry_out(self, plan: Plan, case: _Case) -> _Outcome:
        """Errors that pass by themselves are raised."""
        blueprint, lacking = case.blueprint, None
        execution = Execution(
            self.cluster,
            self.store,
            blueprint=blueprint,
            prove=lambda revision: self.proving.prove(case.key, revision, blueprint),
        )
        try:
            refused = await execution.examine(plan.actions)
            if refused and not plan.serving:
                return _Outcome(refused)
            lacking = await execution.equip(_secrets_of(blueprint.hd))
            await execution.carry_out(rollout.keeping(plan) if refused else plan.actions)
        except OBSTACLES as error:
            logger.warning("%s: %s", case.key, error)
            return _Outcome(Failure(obstacle_of(error), str(error)), lacking)
        self.proving.keep(case.key, revisions=(plan.serving, blueprint.revision))
        return _Outcome(refused or case.references.missing, lacking)

    def _facts(self, case: _Case, *, plan: Plan, observed: Observed, outcome: _Outcome) -> status.Facts:
        key, blueprint, before = case.key, case.blueprint, case.before
        hd, wanted = blueprint.hd, blueprint.revision
        return status.Facts(
            plan=plan,
            wanted=observed.revision(wanted),
            health=self.proving.health(key, plan, before=before),
            proof=self.proving.proof(key, plan, blueprint, before=before),
            builds_engines=case.goal.builds_engines,
            is_priced=hd.spec.cost is not None,
            has_default_prices=hd.spec.cost is None and case.references.prices is not None,
            prices=case.references.price_failure or prices.unpriced(case.references.prices, blueprint.occupied(wanted)),
            obstacle=outcome.obstacle,
            lacking=outcome.lacking,
            is_current=blueprint.is_current(),
            is_scaled_to_nothing=hd.spec.is_stopped and not hd.spec.suspend,
            is_at_zero=blueprint.is_at_zero(plan.serving),
        )


def _estimate(case: _Case, facts: status.Facts) -> Manifest:
    """The status's estimate by the picture that proved the serving revision, where there was one."""
    blueprint = case.blueprint
    found = estimates.estimate(
        blueprint.hd,
        paces=facts.proof.paces or estimates.remembered(case.before),
        prices=case.references.prices,
        occupied=blueprint.occupied(facts.plan.serving or blueprint.revision),
    )
    return {"estimate": found} if found else {}


def _with_proof(revision: Revision, answer: Answer) -> Revision:
    """A revision that runs and does not draw is in trouble, too."""
    trouble = revision.trouble
    if revision.service is Stage.DONE and answer.verdict is Verdict.FAILED:
        trouble = Failure("ProbeFailed", f"No picture came out: {answer.message}")
    return replace(revision, probe=answer.verdict, trouble=trouble)


def _with_missing_jobs(revision: Revision, blueprint: Blueprint) -> Revision:
    """Engines count as built only if every Job that there shall be is there."""
    names = {job["metadata"]["name"] for job in blueprint.jobs(revision.name)}
    existing = {job["metadata"]["name"] for job in blueprint.children.owned(kinds.JOB)}
    return revision if names <= existing else replace(revision, engines=Stage.ABSENT)


def _secrets_of(hd: HybridDiffusion) -> dict[str, Callable[[], Manifest]]:
    """Secrets that are made once, by name; their values are drawn only when they are made."""
    name = hd.metadata.name
    made: dict[str, Callable[[], Manifest]] = {}
    if hd.spec.handoff.signing_key_secret_ref is None:
        made[manifests.signing_secret_name(name)] = lambda: manifests.signing_secret(
            hd, seed=token_bytes(manifests.SEED_BYTES)
        )
    if hd.spec.ingress.api_keys_secret_ref is not None:
        made[manifests.probe_secret_name(name)] = lambda: manifests.probe_secret(hd, key=token_urlsafe(32))
    return made
