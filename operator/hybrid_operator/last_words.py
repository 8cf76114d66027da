"""What pods died of, kept for as long as their revision does not run: KubeRay replaces a failed pod within a second.

Every version of a pod is listened to, since a look at what is there now may come when the pod has gone already.
Only words are kept, and only in memory: an operator that restarts hears them again from the next pod. Decides nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hybrid_operator import trouble
from hybrid_operator.children import LABEL_REVISION, label
from hybrid_operator.observed import Failure, Revision, Stage
from hybrid_operator.store import Key


@dataclass(frozen=True, slots=True)
class LastWords:
    """The last crash of each revision that does not run yet; what is heard of others goes when they are recalled."""

    _said: dict[tuple[Key, str], Failure] = field(default_factory=dict)

    def hear(self, key: Key, pod: Mapping[str, Any]) -> None:
        """A pod as it is now, or as it was last."""
        found = trouble.of_pods([pod])
        if found and found.reason == trouble.CRASHED:
            self._said[key, label(pod, LABEL_REVISION)] = found

    def recalled(self, key: Key, revision: Revision) -> Revision:
        """The revision, its trouble the crash heard of last, unless it runs, is not begun or its pods tell more."""
        place, now = (key, revision.name), revision.trouble
        is_not_begun = revision.service is revision.engines is Stage.ABSENT
        if revision.service is Stage.DONE or is_not_begun:
            self._said.pop(place, None)
            return revision
        if trouble.is_of_any_start(now):
            return replace(revision, trouble=self._said.get(place, now))
        return revision

    def keep(self, key: Key, *, revisions: Collection[str]) -> None:
        """Other revisions are gone."""
        for place in [each for each in self._said if each[0] == key and each[1] not in revisions]:
            del self._said[place]

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self.keep(key, revisions=())
