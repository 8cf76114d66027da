"""What devices say about the pictures they finished: believed for statistics, never for money."""

from decimal import Decimal

from hybrid_serving.cloud.ingress import answers
from hybrid_serving.cloud.ingress.schemas import HandoffReport
from hybrid_serving.cloud.ingress.service import Service


def book(service: Service, handoff_id: str, *, said: HandoffReport) -> answers.Object:
    """Book a device's seconds once; the answer has the cost where this replica issued the handoff, else `null`."""
    known = service.issued.get(handoff_id)
    if known is None:
        return {"id": handoff_id, "hybrid": None}
    cost = service.accounts.reported(known, seconds=Decimal(str(said.seconds)))
    return {"id": handoff_id, "hybrid": answers.hybrid(known.order, cost=cost)}
