"""What pods died of, kept for as long as their revision does not run: KubeRay replaces a failed pod within a second.

Only words are kept, and only in memory: an operator that restarts hears them again from the next pod. Decides nothing.
"""

from dataclasses import dataclass, field, replace

from hybrid_operator import trouble
from hybrid_operator.observed import Failure, Revision, Stage
from hybrid_operator.store import Key


@dataclass(frozen=True, slots=True)
class LastWords:
    """The last crash of each revision that does not run yet."""

    _said: dict[tuple[Key, str], Failure] = field(default_factory=dict)

    def recalled(self, key: Key, revision: Revision) -> Revision:
        """The revision, its trouble the crash seen last, unless it runs, is not begun or its pods tell more."""
        place, now = (key, revision.name), revision.trouble
        is_not_begun = revision.service is revision.engines is Stage.ABSENT
        if revision.service is Stage.DONE or is_not_begun:
            self._said.pop(place, None)
            return revision
        if now and now.reason == trouble.CRASHED:
            self._said[place] = now
        if trouble.is_of_any_start(now):
            return replace(revision, trouble=self._said.get(place, now))
        return revision

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        for place in [each for each in self._said if each[0] == key]:
            del self._said[place]
