"""What an ingress replica shows about prices and budgets."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from hybrid_api.budgets import Budget
from hybrid_api.metric_names import Metric
from hybrid_api.prices import PriceList
from hybrid_serving.cloud.ingress.counts import Counts
from hybrid_serving.cloud.ingress.history import History
from hybrid_serving.cloud.metrics import NoMeter

PRICES = PriceList(currency="USD", cpu_core_hour=Decimal("0.0316"))
BUDGETS = (Budget(window="1d", amount=Decimal("0.5"), tenant="ada"), Budget(window="7d", amount=Decimal(5)))


class Shown(NoMeter):
    """A meter that remembers gauges."""

    def __init__(self) -> None:
        self.gauges: dict[tuple[str, ...], float] = {}

    def show(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        self.gauges[(metric.name, *labels.values())] = value


def shown(tmp_path: Path, *, prices: PriceList | None) -> dict[tuple[str, ...], float]:
    meter = Shown()
    history = History(Counts(meter=meter), service="shapes", mounts=tmp_path)
    history.reprice(prices, budgets=BUDGETS)
    history.tell()
    history.close()
    return meter.gauges


def test_budgets_are_shown_for_rules_to_hold_spending_against(tmp_path: Path) -> None:
    gauges = shown(tmp_path, prices=PRICES)
    assert gauges["hybriddiffusion_budget", "ada", "1d"] == 0.5
    assert gauges["hybriddiffusion_budget", "", "7d"] == 5.0


def test_without_prices_there_is_no_money_to_hold_against_a_budget(tmp_path: Path) -> None:
    assert not shown(tmp_path, prices=None)
