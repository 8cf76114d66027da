import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybrid_serving.cloud import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    ours, serve = logging.getLogger("hybrid_serving"), logging.getLogger("ray.serve")
    parent, handlers, level = ours.parent, list(serve.handlers), serve.level
    serve.setLevel(logging.INFO)
    yield
    for handler in set(serve.handlers) - set(handlers):
        handler.close()
        serve.removeHandler(handler)
    ours.parent = parent
    serve.setLevel(level)


def lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_our_lines_and_serves_become_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(logs.VARIABLE, str(tmp_path / "log"))
    logs.join_serve(source="large")
    logging.getLogger("hybrid_serving.cloud.drain").info("Handed %d images\nover.", 3)
    logging.getLogger("ray.serve").warning("slow")
    first, second = lines(tmp_path / "log")
    assert (first["message"], first["level"], first["source"]) == ("Handed 3 images\nover.", "INFO", "large")
    assert second["logger"] == "ray.serve"


def test_a_traceback_stays_on_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(logs.VARIABLE, str(tmp_path / "log"))
    logs.join_serve(source="large")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("hybrid_serving.cloud.loop").exception("The engine loop failed.")
    (line,) = lines(tmp_path / "log")
    assert line["exception"].endswith("ValueError: broken\n")


def test_without_a_path_nothing_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(logs.VARIABLE, raising=False)
    before = list(logging.getLogger("ray.serve").handlers)
    logs.join_serve(source="large")
    assert logging.getLogger("ray.serve").handlers == before
    assert logging.getLogger("hybrid_serving").parent is logging.getLogger("ray.serve")


def test_a_path_that_cannot_be_written_costs_no_replica(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(logs.VARIABLE, str(tmp_path / "missing" / "log"))
    logs.join_serve(source="large")
    assert "No log lines go to" in caplog.text
