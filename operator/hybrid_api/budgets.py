"""What may be spent: an amount of money over a rolling window, by one tenant or by everything together.

A budget is watched, never enforced: who has spent theirs goes on being served.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from hybrid_api.model import ApiModel
from hybrid_api.rules import check_unique
from hybrid_api.scalars import DecimalString
from hybrid_api.tags import Tag

BudgetWindow = Literal["1d", "7d", "30d"]


class Budget(ApiModel):
    """What may be spent within a window that always ends now."""

    tenant: Annotated[str, Tag.TUNABLE, Field(max_length=253)] = ""
    """Name of an API key: what its requests used. Absent, what the whole service costs: idle time, head,
    ingress and builds included."""
    window: Annotated[BudgetWindow, Tag.TUNABLE]
    """How far back spending counts: `1d`, `7d` or `30d`. Prometheus must keep its data at least that long."""
    amount: Annotated[DecimalString, Tag.TUNABLE]
    """Money, in the currency of the prices."""


def check(budgets: Sequence[Budget]) -> None:
    """At most one of a kind."""
    check_unique([(each.tenant, each.window) for each in budgets])
