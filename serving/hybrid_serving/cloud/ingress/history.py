"""An ingress replica's counts on their way to the ledger, at the prices of now; and how well that goes."""

from collections.abc import Sequence
from pathlib import Path

from hybrid_api import metric_names
from hybrid_api.budgets import Budget
from hybrid_api.prices import PriceList
from hybrid_serving.cloud.ingress.counts import Counts
from hybrid_serving.cloud.metrics import Totals
from hybrid_serving.cloud.telling import tell_ledger
from hybrid_serving.ledger import store
from hybrid_serving.ledger.entries import Tariff
from hybrid_serving.ledger.keeper import Keeper, source


class History:
    """Keeps the counts of one replica, where there is a ledger."""

    def __init__(self, counts: Counts, *, service: str, mounts: Path) -> None:
        self._meter = counts.meter
        self._currency: str | None = None
        self._budgets: tuple[Budget, ...] = ()
        self._told = Totals(counts.meter)
        kept = store.mounted(mounts)
        self._keeper = Keeper(kept, counts.totals, service=service, source=source("ingress")) if kept else None
        if self._keeper is not None:
            self._keeper.start()

    def reprice(self, prices: PriceList | None, *, budgets: Sequence[Budget] = ()) -> None:
        """From now on at these prices, and to be held against these budgets."""
        self._budgets = tuple(budgets) if prices else ()
        self._currency = prices.currency if prices else None
        if self._keeper is not None:
            self._keeper.reprice(Tariff.of(prices))

    def tell(self) -> None:
        """Bring the metrics up to date; Ray forgets a gauge that is not shown again."""
        if self._currency is not None:
            self._meter.show(metric_names.PRICE_INFO, 1.0, {"currency": self._currency})
        for budget in self._budgets:
            labels = {"tenant": budget.tenant, "window": budget.window}
            self._meter.show(metric_names.BUDGET, float(budget.amount), labels)
        if self._keeper is not None:
            behind, failures = self._keeper.behind_seconds, self._keeper.failures
            tell_ledger(self._meter, self._told, behind_seconds=behind, failures=failures)

    def close(self) -> None:
        """Write what is still open, and end."""
        if self._keeper is not None:
            self._keeper.stop()
