"""Boards as Grafana's JSON. The only module that knows Grafana's library; what is shown is decided in the boards."""

from collections.abc import Callable
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as styles
from grafana_foundation_sdk.models import dashboard as models

from hybrid_monitoring.panels import Board, Panel, Row, Unit

_DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
_UNITS: dict[Unit, str] = {
    "money": "none",
    "money per hour": "none",
    "percent": "percentunit",
    "seconds": "s",
    "count": "short",
    "per second": "ops",
    "bytes per second": "Bps",
    "none": "short",
}
"""Money has no unit: the currency is whatever the price list says, and a panel of its own shows it."""
_HEIGHTS = {"number": 5, "lines": 8, "areas": 8, "bars": 8}
_GREEN, _RED, _NEUTRAL = "green", "red", "text"


def render(board: Board) -> str:
    """The dashboard as JSON, the same bytes every time."""
    built = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(["hybriddiffusion"])
        .time("now-24h", "now")
        .refresh("1m")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_variable("namespace", "Namespace", "label_values(hybriddiffusion_is_priced, namespace)"))
        .with_variable(
            _variable("name", "Resource", 'label_values(hybriddiffusion_is_priced{namespace=~"$namespace"}, name)')
        )
    )
    for row in board.rows:
        _add(built, row)
    return str(JSONEncoder(sort_keys=True, indent=2).encode(built.build())) + "\n"


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(_DATASOURCE)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(include_all=True)
        .all_value(".*")
        .current(models.VariableOption(selected=True, text="All", value="$__all"))
    )


def _add(built: dashboard.Dashboard, row: Row) -> None:
    built.with_row(dashboard.Row(row.title))
    for panel in row.panels:
        built.with_panel(_SHAPES[panel.shape](panel))


def _dressed(builder: Any, panel: Panel) -> Any:
    """What every shape has in common."""
    built = (
        builder.title(panel.title)
        .description(panel.description)
        .datasource(_DATASOURCE)
        .unit(_UNITS[panel.unit])
        .span(panel.width)
        .height(_HEIGHTS[panel.shape])
        .thresholds(_thresholds(panel))
    )
    for index, query in enumerate(panel.queries):
        target = prometheus.Dataquery().expr(query.expression).legend_format(query.legend).ref_id(chr(ord("A") + index))
        built = built.with_target(target.instant() if panel.is_instant else target.range())
    return built


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    first, steps = _NEUTRAL, []
    if panel.good_above is not None:
        first, steps = _RED, [models.Threshold(value=panel.good_above, color=_GREEN)]
    elif panel.bad_above is not None:
        first, steps = _GREEN, [models.Threshold(value=panel.bad_above, color=_RED)]
    config = dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE)
    return config.steps([models.Threshold(value=None, color=first), *steps])


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _number(panel: Panel) -> Any:
    return _dressed(stat.Panel(), panel).reduce_options(_last()).graph_mode(styles.BigValueGraphMode.NONE)


def _bars(panel: Panel) -> Any:
    built = _dressed(bargauge.Panel(), panel).reduce_options(_last())
    return built.orientation(styles.VizOrientation.HORIZONTAL).display_mode(styles.BarGaugeDisplayMode.BASIC)


def _lines(panel: Panel) -> Any:
    built = _dressed(timeseries.Panel(), panel).line_width(2).show_points(styles.VisibilityMode.NEVER)
    legend = common.VizLegendOptions().display_mode(styles.LegendDisplayMode.LIST)
    return built.legend(legend.placement(styles.LegendPlacement.BOTTOM).show_legend(show_legend=True))


def _areas(panel: Panel) -> Any:
    return _lines(panel).fill_opacity(60).stacking(common.StackingConfig().mode(styles.StackingMode.NORMAL))


_SHAPES: dict[str, Callable[[Panel], Any]] = {
    "number": _number,
    "bars": _bars,
    "lines": _lines,
    "areas": _areas,
}
