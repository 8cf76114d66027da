"""Takes in what the watch tells, and has the resources concerned looked at.

Until everything was listed once nothing is looked at, because what is not listed yet would seem to be missing.
"""

from collections.abc import Mapping
from typing import Any

from hybrid_operator.kinds import CONFIG_MAP, HYBRID_DIFFUSION, POD, Kind
from hybrid_operator.last_words import LastWords
from hybrid_operator.queue import Queue
from hybrid_operator.store import Key, Store, owner_key

_GATHER_SECONDS = 0.05
"""Changes often come in clusters; one look is enough for all of them."""


class Feed:
    """From objects seen and gone to keys in the queue."""

    def __init__(self, store: Store, queue: Queue, last_words: LastWords) -> None:
        self._store = store
        self._queue = queue
        self._last_words = last_words
        self._early: set[Key] = set()
        self._is_complete = False

    def seen(self, kind: Kind, manifest: Mapping[str, Any]) -> None:
        """An object is new or has changed."""
        if kind == CONFIG_MAP:
            self._look_at_users(manifest)
        elif self._store.put(kind, manifest):
            self._listen(kind, manifest)
            self._look_at(owner_key(kind, manifest))

    def gone(self, kind: Kind, manifest: Mapping[str, Any]) -> None:
        """An object is no more."""
        if kind == CONFIG_MAP:
            self._look_at_users(manifest)
            return
        self._listen(kind, manifest)
        self._store.drop(kind, manifest)
        self._look_at(owner_key(kind, manifest))

    def complete(self) -> None:
        """Everything was listed: from now on, what is not known does not exist. What waits for a change comes first."""
        self._is_complete = True
        for key in sorted(self._early, key=self._is_up_to_date):
            self._queue.add(key)
        self._early.clear()

    def look_at_all(self, *, within_seconds: float) -> None:
        """Look at every resource, one after the other."""
        keys = list(self._store.keys())
        for number, key in enumerate(keys):
            self._queue.add(key, delay_seconds=within_seconds * number / len(keys))

    def _listen(self, kind: Kind, manifest: Mapping[str, Any]) -> None:
        if kind == POD:
            self._last_words.hear(owner_key(kind, manifest), manifest)

    def _is_up_to_date(self, key: Key) -> bool:
        """Whether status is of the spec as it is; what is there to be repaired does not show in it."""
        resource = self._store.get(HYBRID_DIFFUSION, namespace=key.namespace, name=key.name) or {"metadata": {}}
        seen = (resource.get("status") or {}).get("observedGeneration")
        return bool(seen == resource["metadata"].get("generation"))

    def _look_at_users(self, config_map: Mapping[str, Any]) -> None:
        metadata = config_map["metadata"]
        for key in self._store.mentioning(metadata["name"], namespace=metadata["namespace"]):
            self._look_at(key)

    def _look_at(self, key: Key) -> None:
        if self._is_complete:
            self._queue.add(key, delay_seconds=_GATHER_SECONDS)
        else:
            self._early.add(key)
