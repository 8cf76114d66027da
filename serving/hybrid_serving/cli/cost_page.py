"""What the cost dashboard says for one window, and asking Prometheus for it with the dashboard's own queries."""

from collections.abc import Mapping
from dataclasses import dataclass

from hybrid_monitoring import cost_board, queries
from hybrid_monitoring.panels import Panel
from hybrid_serving.cli.prometheus import Prometheus, Series

SOURCE = "Prometheus"
POINTS = 240
"""Of a course: as many as a screen can show."""
_SHORTEST_STEP = 1.0
_RATES = 60
_SHORTEST_RATE_SECONDS = 60
"""Four scrapes of the shipped configuration, so that a rate has something to stand on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What is looked at."""

    start: float
    end: float
    resource: str = ".*"
    """A regular expression of names."""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPage:
    """Everything that the page shows."""

    window: Window
    source: str
    """Whom it was asked."""
    currency: str
    total: float
    saved: float | None
    """Share of the all-cloud cost; `None` where nothing was compared."""
    saved_money: float | None
    idle: float | None
    """Share of the cost."""
    pictures: Mapping[str, float]
    """By tier."""
    by_tenant: Mapping[str, float]
    by_model: Mapping[str, float]
    by_kind: Mapping[str, float]
    comparison: Mapping[str, float]
    course: Mapping[str, tuple[tuple[float, float], ...]]
    """Money an hour by what it was for."""

    @property
    def is_empty(self) -> bool:
        """Whether Prometheus knows of nothing."""
        return not self.by_kind and not self.course


def read(prometheus: Prometheus, window: Window) -> CostPage:
    """Ask everything."""
    ask = _Asker(prometheus, window)
    return CostPage(
        window=window,
        source=SOURCE,
        currency=ask.currency(),
        total=ask.number(cost_board.TOTAL) or 0.0,
        saved=ask.number(cost_board.SAVED),
        saved_money=ask.number(cost_board.SAVED_MONEY),
        idle=ask.number(cost_board.IDLE),
        pictures=ask.bars(cost_board.PICTURES),
        by_tenant=ask.bars(cost_board.BY_TENANT),
        by_model=ask.bars(cost_board.BY_MODEL),
        by_kind=ask.bars(cost_board.BY_KIND),
        comparison=ask.bars(cost_board.COMPARISON),
        course=ask.course(cost_board.COURSE),
    )


@dataclass(frozen=True, slots=True)
class _Asker:
    prometheus: Prometheus
    window: Window

    def number(self, panel: Panel) -> float | None:
        """The one value of a panel."""
        return next(iter(self.bars(panel).values()), None)

    def bars(self, panel: Panel) -> dict[str, float]:
        """Values by legend, the largest first."""
        found: dict[str, float] = {}
        for query in panel.queries:
            for series in self.prometheus.now(self._filled(query.expression), at=self.window.end):
                found[_legend(query, series)] = series.points[-1][1]
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def course(self, panel: Panel) -> dict[str, tuple[tuple[float, float], ...]]:
        """Courses by legend."""
        step = max(_SHORTEST_STEP, self.window.seconds / POINTS)
        start, end = self.window.start, self.window.end
        return {
            _legend(query, series): series.points
            for query in panel.queries
            for series in self.prometheus.course(self._filled(query.expression), start=start, end=end, step=step)
        }

    def currency(self) -> str:
        """The currency of all money."""
        found = self.prometheus.now(self._filled(cost_board.CURRENCY.expression), at=self.window.end)
        return "/".join(sorted(series.labels.get("currency", "") for series in found))

    def _filled(self, expression: str) -> str:
        selection = {"namespace": ".*", "name": self.window.resource}
        window, rate = round(self.window.seconds), max(_SHORTEST_RATE_SECONDS, round(self.window.seconds / _RATES))
        return queries.filled(expression, window=f"{window}s", rate=f"{rate}s", selection=selection)


def _legend(query: queries.Query, series: Series) -> str:
    text = query.legend
    for name, value in series.labels.items():
        text = text.replace("{{" + name + "}}", value)
    return text
