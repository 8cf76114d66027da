"""What devices say about the pictures they finished: believed for statistics, never for money."""

from decimal import Decimal

from hybrid_serving.cloud.ingress import answers, handoffs
from hybrid_serving.cloud.ingress.schemas import HandoffReport
from hybrid_serving.cloud.ingress.service import Service


def book(service: Service, handoff_id: str, *, said: HandoffReport, receipt: str | None) -> answers.Object:
    """Book a device's seconds once; without a receipt nothing is booked, since nobody knows whose they are."""
    known = handoffs.receipt_of(service, handoff_id, text=receipt)
    if known is None:
        return {"id": handoff_id, "hybrid": None}
    cost = service.accounts.reported(known, seconds=Decimal(str(said.seconds)), prices=service.terms.prices)
    return {"id": handoff_id, "hybrid": answers.reported(known, cost=cost)}
