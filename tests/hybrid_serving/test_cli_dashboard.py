"""The cost page, over a Prometheus that answers what it is told to."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from hybrid_serving.cli import cost_figure, cost_html, cost_page, entry
from hybrid_serving.cli.cost_page import Window
from hybrid_serving.cli.failures import Failure
from hybrid_serving.cli.prometheus import Prometheus

WINDOW = Window(start=1_000_000.0, end=1_086_400.0)


def answered(expression: str, *, is_course: bool) -> list[dict[str, Any]]:
    """Something plausible for every query of the page."""
    assert "$" not in expression, "every variable is filled in"
    by = re.search(r"by \((\w+)\)", expression)
    label = by[1] if by else ""
    names = {"tenant": ["ada", "bob"], "kind": ["step", "idle"], "segment": ["large"], "tier": ["cloud", "edge"]}
    names["currency"] = ["USD"]
    found = []
    for index, name in enumerate(names.get(label, [""])):
        value = "0.4" if expression.startswith("1 - ") else str(10.0 / (index + 1))
        points = {"values": [[WINDOW.start + 3600 * hour, value] for hour in range(25)]} if is_course else {}
        found.append({"metric": {label: name} if label else {}, **(points or {"value": [WINDOW.end, value]})})
    return found


def prometheus(answer: Callable[..., list[dict[str, Any]]] = answered) -> Prometheus:
    def handle(request: httpx.Request) -> httpx.Response:
        expression = request.url.params["query"]
        result = answer(expression, is_course=request.url.path.endswith("query_range"))
        return httpx.Response(200, json={"status": "success", "data": {"result": result}})

    return Prometheus("http://prometheus", transport=httpx.MockTransport(handle))


@pytest.fixture
def page() -> cost_page.CostPage:
    with prometheus() as asked:
        return cost_page.read(asked, WINDOW)


def test_the_page_has_what_the_dashboard_has(page) -> None:
    assert (page.currency, page.total, page.saved) == ("USD", 10.0, 0.4)
    assert page.by_tenant == {"ada": 10.0, "bob": 5.0}
    assert page.pictures == {"cloud": 10.0, "edge": 5.0}
    assert set(page.course) == {"used", "step", "idle"}
    assert not page.is_empty


def test_the_picture_is_drawn_and_the_html_stands_alone(page) -> None:
    figure = cost_figure.draw(page)
    assert cost_figure.save(figure, kind="svg").startswith(b"<?xml")
    assert cost_figure.save(figure, kind="png").startswith(b"\x89PNG")
    html = cost_html.render(page, picture="data:,")
    assert "the split saved 40.0%" in html
    assert "<td>used, by tenant</td><td>ada</td><td>10.000000000</td>" in html
    assert not re.search(r"(src|href)=\"http", html)


def test_names_from_outside_are_text(page) -> None:
    with prometheus(
        lambda expression, *, is_course: [_evil(each) for each in answered(expression, is_course=is_course)]
    ) as p:
        html = cost_html.render(cost_page.read(p, WINDOW), picture="data:,")
    assert "<script>" not in html


def _evil(series: dict[str, Any]) -> dict[str, Any]:
    return {**series, "metric": dict.fromkeys(series["metric"], "<script>")}


def test_a_page_of_nothing_is_drawn_too() -> None:
    with prometheus(lambda expression, *, is_course: []) as asked:
        empty = cost_page.read(asked, WINDOW)
    assert empty.is_empty
    assert cost_figure.save(cost_figure.draw(empty), kind="png")


@pytest.mark.parametrize(
    ("amount", "beside", "text"),
    [
        (41.371, None, "41.37 USD"),
        (0.00123456, None, "0.00123 USD"),
        (0.0, None, "0.00 USD"),
        (12345.0, None, "12,345.00 USD"),
        (0.05, 21.0, "0.05 USD"),
    ],
)
def test_money_has_three_digits_that_say_something(amount: float, beside: float | None, text: str) -> None:
    assert cost_figure.money(amount, "USD", beside=beside) == text


def test_a_prometheus_that_refuses_is_one_sentence() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json={"status": "error", "error": "parse error"})

    with (
        Prometheus("http://p", transport=httpx.MockTransport(handle)) as asked,
        pytest.raises(Failure, match="parse error"),
    ):
        asked.now("x", at=0.0)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "http://[", "ftp://x"])
def test_a_prometheus_that_is_away_is_one_sentence(url: str, capsys, tmp_path: Path) -> None:
    code = entry.run(["dashboard", "--prometheus", url, "-o", str(tmp_path / "c.html")])
    captured = capsys.readouterr()
    assert code == 1
    assert captured.out == ""
    assert "`--prometheus`" in captured.err
    assert not list(tmp_path.iterdir())


def test_the_command_writes_page_and_picture(monkeypatch, capsys, tmp_path: Path) -> None:
    from hybrid_serving.cli.commands import dashboard

    monkeypatch.setattr(dashboard, "Prometheus", lambda url: prometheus())
    assert entry.run(["dashboard", "--prometheus", "http://p", "-o", str(tmp_path / "new" / "c.html"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["saved"] == 0.4
    assert "data:image/svg+xml;base64," in Path(told["page"]).read_text()
    with Image.open(told["picture"]) as picture:
        assert picture.width > 1200


def test_the_command_says_when_nothing_is_known(monkeypatch, capsys) -> None:
    from hybrid_serving.cli.commands import dashboard

    monkeypatch.setattr(dashboard, "Prometheus", lambda url: prometheus(lambda expression, *, is_course: []))
    assert entry.run(["dashboard", "--prometheus", "http://p"]) == 1
    assert "Does it scrape the service" in capsys.readouterr().err
