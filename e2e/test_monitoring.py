"""A real Prometheus scrapes a real service: every query of every dashboard and every rule returns data."""

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from e2e import prometheus, served
from hybrid_api import metric_names
from hybrid_monitoring import cost_board, queries, serving_board
from hybrid_monitoring.panels import Panel
from hybrid_monitoring.recording import RECORDINGS
from hybrid_operator import metrics as operator
from hybrid_serving.cloud import held

PORT = 8167
LOAD_SECONDS = 25.0
_RESOURCE = {"metadata": {"namespace": "default", "name": "shapes"}}
pytestmark = pytest.mark.skipif(not prometheus.is_installed(), reason="no Prometheus is installed")

PANELS = [panel for board in (cost_board.BOARD, serving_board.BOARD) for panel in board.panels]


@pytest.fixture(scope="module")
def service() -> Iterator[served.Served]:
    with served.serving(served.sample(), port=PORT) as running:
        yield running


@pytest.fixture(scope="module")
def operator_address() -> Iterator[str]:
    """The operator's own metrics, after some work, where a ServiceMonitor would find them."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(operator.exposition())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _operator_works() -> None:
    with operator.timed_reconcile():
        pass
    operator.IS_LEADER.set(1)
    operator.WAITING.set(0)
    operator.WRITES.labels("RayService", "apply").inc()
    operator.show_engines(_RESOURCE, [{"name": "large", "engine": "unet 64x64: built, OpenVINO"}])
    # Without a namespace, like the workers of one machine, so that the rules find both.
    operator.POD_SECONDS.labels("", "shapes", "worker", "large", "running").inc(10)
    operator.BILLED_COST.labels("", "shapes", "worker", "large", "running", "allocation").inc(0.0001)
    for status in ("True", "False", "Unknown"):
        operator.CONDITION.labels("default", "shapes", "Ready", status).set(status == "True")


def _load(service: served.Served, *, seconds: float) -> None:
    client, end = service.client(), time.monotonic() + seconds
    while time.monotonic() < end:
        client.images.generate(model="shapes", prompt="a red circle", n=2)
        list(client.images.generate(model="shapes", prompt="a blue star", stream=True, partial_images=2))
        _on_edge(service)
        _operator_works()


def _on_edge(service: served.Served) -> None:
    command = [sys.executable, "-m", "hybrid_serving.cli", "edge", "generate", "a green ring", "--url", service.url]
    environment = {**os.environ, "HYBRID_API_KEY": service.key}
    options = ("-o", str(service.state / "edge.png"), "--state", str(service.state / "edge"), "--json")
    subprocess.run([*command, *options], env=environment, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def found(service: served.Served, operator_address: str) -> Iterator[prometheus.Prometheus]:
    nodes = prometheus.nodes_of(service.session)
    with prometheus.running(nodes=nodes, operators=[operator_address]) as running:
        _load(service, seconds=LOAD_SECONDS)
        time.sleep(held.HOLD_SECONDS)
        _load(service, seconds=LOAD_SECONDS / 3)
        time.sleep(12)  # Ray hands metrics on every ten seconds at most
        yield running


def test_every_target_is_scraped(found: prometheus.Prometheus) -> None:
    targets = found.get("targets?state=active")["activeTargets"]
    assert {target["scrapePool"] for target in targets} == {"hybriddiffusion-workers", "hybriddiffusion-operator"}
    ours = [target for target in targets if target["scrapePool"] == "hybriddiffusion-operator" or _is_node(target)]
    assert {target["health"] for target in ours} == {"up"}


def _is_node(target: dict[str, Any]) -> bool:
    return not target["discoveredLabels"]["__address__"].endswith((":44217", ":44227"))


def test_names_and_labels_are_those_that_are_documented(found: prometheus.Prometheus) -> None:
    series = found.query('{__name__=~"hybriddiffusion_.*"}')
    known = metric_names.by_series()
    recorded = {rule.name for rule in RECORDINGS}
    added = {"application", "deployment", "replica", "name", "instance", "job", "le"}  # by Serve and by the scrape
    for each in series:
        labels = set(prometheus.labels(each))
        name = prometheus.labels(each)["__name__"]
        if name in recorded or name.endswith("_created"):
            continue
        assert name in known, f"{name} is exported and not documented"
        assert labels - {"__name__"} <= {*known[name].labels, *added}, name
    exported = {prometheus.labels(each)["__name__"] for each in series}
    silent = {metric for metric in known if metric not in exported and not metric.endswith("_created")}
    assert silent <= {
        "hybriddiffusion_repeats_total",
        "hybriddiffusion_deadline_misses_total",
        "hybriddiffusion_engine_vain_seconds_total",
        "hybriddiffusion_ledger_failures_total",
        "hybriddiffusion_autoscaling_policy_failures_total",
        "hybriddiffusion_operator_reconcile_errors_total",
        "hybriddiffusion_operator_missed_changes_total",
    }, "only what must not happen may be silent"


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_every_query_of_every_panel_returns_data(found: prometheus.Prometheus, panel: Panel) -> None:
    for query in panel.queries:
        expression = queries.filled(query.expression, window="10m", rate="1m")
        values = [float(series["value"][1]) for series in found.query(expression)]
        assert values, f"{panel.title}: {expression}"
        assert not all(map(math.isnan, values)), f"{panel.title}: not a number"


@pytest.mark.parametrize("rule", sorted({rule.name for rule in RECORDINGS}))
def test_every_recording_rule_records(found: prometheus.Prometheus, rule: str) -> None:
    assert found.query(rule)


def test_every_rule_is_evaluated_without_an_error(found: prometheus.Prometheus) -> None:
    groups = found.get("rules")["groups"]
    states = {rule["name"]: (rule["health"], rule.get("lastError", "")) for group in groups for rule in group["rules"]}
    assert {health for health, _ in states.values()} == {"ok"}, states


def test_counters_agree_with_the_ledger(found: prometheus.Prometheus, service: served.Served) -> None:
    """Prometheus and the ledger count apart and from the same books."""
    time.sleep(held.HOLD_SECONDS + 12)  # what is new in the last load, too
    answer = subprocess.run(
        [sys.executable, "-m", "hybrid_serving.cli", "cost", "--state", str(service.state), "--json"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    (statement,) = json.loads(answer.stdout)["statements"]
    (counted,) = found.query("sum(hybriddiffusion_cost_total)")
    assert float(counted["value"][1]) == pytest.approx(float(statement["used"]), rel=0.02)
    # Counters are seen from zero on, so increases miss nothing: starts of workers and first pictures included.
    spent = "hybriddiffusion_cost_total", "hybriddiffusion_overhead_cost_total"
    values = " + ".join(f"sum({each})" for each in spent)
    increases = " + ".join(f"sum(increase({each}[15m]))" for each in spent)
    (counted,), (increased,) = found.query(values), found.query(increases)
    assert float(increased["value"][1]) == pytest.approx(float(counted["value"][1]), rel=0.03)
    assert abs(float(statement["unattributed"])) <= 0.02 * float(statement["total"])
