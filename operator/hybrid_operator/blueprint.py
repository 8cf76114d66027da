"""What there shall be for one resource: every manifest, made when it is asked for. Pure.

A revision that runs is never rendered anew: its record keeps the rendering, so that a newer operator, or newer
defaults, change nothing of it.
"""

from dataclasses import dataclass
from typing import Any

from hybrid_api import cost, serve_config
from hybrid_api.prices import PriceList
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator import kinds, manifests, occupancy, ray
from hybrid_operator import serve_documents as documents
from hybrid_operator.children import LABEL_REVISION, Children, label
from hybrid_operator.rollout import Goal

RETRY_ANNOTATION = "hybriddiffusion.io/retry"
"""Set to another value than before, it asks for one more attempt at a rejected revision."""

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """The manifests of `hd`, given what exists of it."""

    hd: HybridDiffusion
    revision: str
    """The revision that the resource asks for."""
    children: Children
    defaults: manifests.Defaults
    prices: PriceList | None
    """Today's prices; `None` where there are none, or where they cannot be resolved."""
    keeps_prices: bool
    """Whether a running revision keeps the prices it has, because today's cannot be resolved."""

    def goal(self) -> Goal:
        """What a rollout is to reach."""
        rollout = self.hd.spec.rollout
        return Goal(
            revision=self.revision,
            is_suspended=self.hd.spec.is_stopped,
            builds_engines=bool(self.jobs(self.revision)),
            progress_deadline=rollout.progress_deadline,
            drain_time=rollout.drain_time,
            rolls_back=rollout.on_failure == "RollBack",
            retry=(self.hd.metadata.annotations or {}).get(RETRY_ANNOTATION, ""),
        )

    def record(self, revision: str, *, number: int) -> Manifest:
        """The ControllerRevision that keeps the rendering."""
        return manifests.controller_revision(self.hd, rendering=self._rendering(revision), number=number)

    def service(self, revision: str) -> Manifest:
        """The Service, selecting the pods of one revision."""
        return manifests.service(self.hd, revision=revision)

    def jobs(self, revision: str) -> list[Manifest]:
        """The Jobs that build a revision's engines."""
        return manifests.engine_jobs(self.hd, revision=revision, rendering=self._rendering(revision))

    def pod_templates(self, revision: str) -> dict[str, Manifest]:
        """Every pod of a revision, as something that the API server can judge, by the field that shapes it."""
        return manifests.pod_templates(self.hd, rendering=self._rendering(revision))

    def is_recorded(self, revision: str) -> bool:
        """Whether the revision's rendering is kept, and so was judged."""
        return self._recorded(revision) is not None

    def mentions(self, name: str) -> bool:
        """Whether any revision that is kept, or the one that the resource asks for, has that name in its rendering."""
        records = self.children.owned(kinds.CONTROLLER_REVISION)
        return any(_mentions(each, name) for each in (*(each["data"] for each in records), self._wanted()))

    def ray_service(self, revision: str) -> Manifest | None:
        """The RayService of a revision; `None` where nobody knows any more how it was rendered.

        The desired revision gets today's tunables. Another one keeps the tunables that it has, because today's were
        written for another fixed half; only bounds and prices follow.
        """
        live, recorded = self._live_ray_service(revision), self._recorded(revision)
        if revision != self.revision and (recorded is None or not self._fits(recorded)):
            return None
        prices = documents.prices(live) if live and self.keeps_prices else self.prices
        rendering = self._rendering(revision)
        made = manifests.ray_service(self.hd, revision=revision, rendering=rendering, prices=prices)
        if live and revision != self.revision:
            made["spec"]["serveConfigV2"] = documents.followed(live, made)
        return made

    def accessories(self) -> list[Manifest]:
        """What stands beside the revisions, as far as it is switched on."""
        made = (
            manifests.network_policy(self.hd),
            manifests.disruption_budget(self.hd),
            manifests.pod_monitor(self.hd),
        )
        return [each for each in made if each is not None]

    def occupied(self, revision: str) -> dict[str, cost.Resources]:
        """What a worker of each segment occupies in a revision."""
        groups = self._rendering(revision)["rayService"]["rayClusterConfig"]["workerGroupSpecs"]
        segments = {segment.name for segment in self.hd.spec.segments}
        return {
            each["groupName"]: occupancy.of_pod(each["template"]) for each in groups if each["groupName"] in segments
        }

    def is_current(self) -> bool:
        """Whether KubeRay has seen the newest Serve document of the desired revision."""
        live = self._live_ray_service(self.revision)
        return live is None or ray.is_current(live)

    def is_at_zero(self, revision: str) -> bool:
        """Whether no worker of the first segment is there now, so that a picture would have to wake one."""
        return not self.children.ready_pods(revision, segment=self.hd.spec.segments[0].name)

    def _fits(self, rendering: Manifest) -> bool:
        """Whether a rendering is of the same deployments; a Serve document cannot be made for others."""
        theirs = set(rendering["frame"]["deployments"])
        return theirs == {serve_config.INGRESS, *(segment.name for segment in self.hd.spec.segments)}

    def _rendering(self, revision: str) -> Manifest:
        recorded = self._recorded(revision)
        return recorded if recorded is not None else self._wanted()

    def _wanted(self) -> Manifest:
        return manifests.rendering(self.hd, defaults=self.defaults)

    def _recorded(self, revision: str) -> Manifest | None:
        found = self.children.owned(kinds.CONTROLLER_REVISION)
        return next((each["data"] for each in found if label(each, LABEL_REVISION) == revision), None)

    def _live_ray_service(self, revision: str) -> Manifest | None:
        found = self.children.owned(kinds.RAY_SERVICE)
        return next((each for each in found if label(each, LABEL_REVISION) == revision), None)


def _mentions(value: Any, name: str) -> bool:
    if isinstance(value, dict | list):
        return any(_mentions(each, name) for each in (value.values() if isinstance(value, dict) else value))
    return bool(value == name)
