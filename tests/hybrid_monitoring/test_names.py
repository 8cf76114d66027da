"""Every metric that is named exists, and every one that is exported is documented: both ways."""

import json
import re
from pathlib import Path

import pytest

from hybrid_api import metric_names
from hybrid_api.metric_names import EXPORTED
from hybrid_monitoring import cost_board, documentation, generated, queries, rule_files, serving_board
from hybrid_monitoring.alerts import ALERTS
from hybrid_monitoring.recording import RECORDINGS
from hybrid_operator import metrics as operator

ROOT = Path(__file__).resolve().parents[2]
BOARDS = (cost_board.BOARD, serving_board.BOARD)
PANELS = [panel for board in BOARDS for panel in board.panels]

EXISTING = {*metric_names.by_series(), *(rule.name for rule in RECORDINGS)}


def _expressions() -> dict[str, str]:
    panels = {
        f"{panel.title} {number}": query.expression for panel in PANELS for number, query in enumerate(panel.queries)
    }
    rules = {rule.name: rule.expression for rule in (*RECORDINGS, *ALERTS)}
    return {**panels, **rules}


@pytest.mark.parametrize("name", _expressions())
def test_every_metric_in_a_query_exists(name: str) -> None:
    named = queries.metrics_in(_expressions()[name])
    assert named
    assert named <= EXISTING


@pytest.mark.parametrize("name", _expressions())
def test_every_label_in_a_query_is_one_of_its_metrics(name: str) -> None:
    expression = _expressions()[name]
    known = {"namespace", "name", "le", "deployment", "cost_basis"}
    for metric in queries.metrics_in(expression):
        found = metric_names.by_series().get(metric)
        known |= set(found.labels) if found else {"tenant", "segment", "tier", "kind", "path"}
    used = set(re.findall(r"[{,]\s*(\w+)\s*[!=]~?=?\"", expression))
    used |= {label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")}
    assert used <= known


def test_every_exported_metric_is_documented() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    for metrics in EXPORTED.values():
        for metric in metrics:
            assert f"`{metric.exported_name}`" in page


def test_everything_documented_exists() -> None:
    named = queries.metrics_in(documentation.render())
    bases = {metric.exported_name for metrics in EXPORTED.values() for metric in metrics}
    assert named <= EXISTING | bases


def test_every_metric_is_shown_or_alerted_on() -> None:
    """What nobody looks at need not be exported."""
    named = {name for expression in _expressions().values() for name in queries.metrics_in(expression)}
    for metrics in EXPORTED.values():
        for metric in metrics:
            assert named & set(metric.series_names), metric.name


def test_the_operator_exports_what_is_declared_for_it() -> None:
    declared = {(metric.name, metric.kind, metric.labels) for metric in EXPORTED["operator"]}
    families = {(family.name, family.type, tuple(_labels(family.name))) for family in operator.REGISTRY.collect()}
    assert families == declared


def _labels(name: str) -> tuple[str, ...]:
    collectors = {found for found in vars(operator).values() if getattr(found, "_name", None) == name}
    return tuple(next(iter(collectors))._labelnames)


def test_names_follow_the_rules() -> None:
    for metrics in EXPORTED.values():
        for metric in metrics:
            assert re.fullmatch(r"hybriddiffusion_[a-z_]+", metric.name)
            assert not metric.name.endswith("_total"), "the exporter appends it"
            assert not re.search(r"_(ms|milliseconds|kb|mb|minutes|hours)$", metric.name), "base units"
            assert not {"request", "request_id", "user", "prompt", "seed"} & set(metric.labels)
            assert (metric.kind == "histogram") == bool(metric.buckets)
            assert metric.text.endswith(".")


def test_one_name_is_one_metric() -> None:
    found: dict[str, metric_names.Metric] = {}
    for metrics in EXPORTED.values():
        for metric in metrics:
            assert found.setdefault(metric.name, metric) == metric


@pytest.mark.parametrize("path", generated.files(), ids=str)
def test_generated_files_are_as_they_would_be_generated_now(path: Path) -> None:
    assert (ROOT / path).read_text() == generated.files()[path], "run `python -m hybrid_monitoring`"


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_every_panel_says_what_it_shows(panel) -> None:
    assert panel.title
    assert panel.description.endswith(".")
    assert panel.queries


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_the_json_has_every_panel_with_unit_description_and_query(board) -> None:
    rendered = json.loads(generated.files()[generated.CHART / f"dashboards/{board.uid.split('-')[1]}.json"])
    panels = {panel["title"]: panel for panel in rendered["panels"] if panel["type"] != "row"}
    assert set(panels) == {panel.title for panel in board.panels}
    for panel in panels.values():
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert all(target["expr"] for target in panel["targets"])
        assert panel["datasource"]["uid"] == "${datasource}"


def test_titles_are_unique_within_a_board() -> None:
    for board in BOARDS:
        titles = [panel.title for panel in board.panels]
        assert len(set(titles)) == len(titles)


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    pages = {path.stem for path in (ROOT / "docs/runbooks").glob("*.md")} - {"README"}
    assert pages == {alert.runbook for alert in ALERTS}
    for alert in ALERTS:
        page = (ROOT / f"docs/runbooks/{alert.runbook}.md").read_text()
        assert page.startswith(f"# {alert.name}\n")
        assert "## Look at" in page
        assert "## Do" in page


def test_every_alert_has_what_a_pager_needs() -> None:
    (_, alerts) = rule_files.rules()["groups"]
    for rule in alerts["rules"]:
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["runbook_url"].endswith(".md")
