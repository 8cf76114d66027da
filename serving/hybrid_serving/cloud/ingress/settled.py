"""Which handoffs' pictures this replica has counted, so that a report that is repeated here counts nothing.

Other replicas do not know: a report whose answer was lost, and which is repeated to another, is counted twice.
"""

_LIMIT = 20_000


class Settled:
    """Ids of the newest; bounded, since forgetting costs a picture that is counted twice and never one that is lost."""

    def __init__(self, *, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._ids: dict[str, None] = {}

    def settle(self, handoff_id: str) -> bool:
        """Remember a handoff; whether it was not known before."""
        if handoff_id in self._ids:
            return False
        self._ids[handoff_id] = None
        if len(self._ids) > self._limit:
            del self._ids[next(iter(self._ids))]
        return True
