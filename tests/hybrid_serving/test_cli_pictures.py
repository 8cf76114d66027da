"""`hybrid generate` and `hybrid edge generate` against a service that is played: files, cost lines, JSON."""

import base64
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from hybrid_serving.cli import entry, pictures
from hybrid_serving.cli.commands import edge, generate
from hybrid_serving.edge.client import Service

COST = {
    "nanoseconds": {"large": 120_000_000, "small": 0},
    "currency": "USD",
    "cloud": "0.000000600000",
    "all_cloud": "0.000001000000",
}
HYBRID = {"seed": "7", "split": 10, "steps": 25, "cost": COST}


def data_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[httpx.Request], httpx.Response]], None]:
    """Puts a handler in the service's place."""

    def play(handler: Callable[[httpx.Request], httpx.Response]) -> None:
        def service(url: str, *, key: str | None) -> Service:
            return Service(url, key=key, transport=httpx.MockTransport(handler))

        monkeypatch.setattr(generate, "Service", service)
        monkeypatch.setattr(edge, "Service", service)

    return play


def test_several_pictures_are_numbered(played: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        assert asked == {"prompt": "a star", "seed": "7", "split": 10, "n": 2, "output_format": "webp"}
        return httpx.Response(200, json={"data": [{"b64_json": data_of(t)} for t in "ab"], "hybrid": HYBRID})

    played(answer)
    path = tmp_path / "new" / "star.webp"
    assert entry.run(["generate", "a star", "-o", str(path), "-n", "2", "--seed", "7", "--split", "10"]) == 0
    assert [path.with_stem(f"star-{i}").read_text() for i in (0, 1)] == ["a", "b"]
    out = capsys.readouterr().out
    assert "so 40.0% is saved" in out
    assert "0.000000600 USD (large 120.0 ms)" in out


def test_json_has_the_answer_without_the_pixels(
    played: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    played(lambda _: httpx.Response(200, json={"data": [{"b64_json": data_of("a")}], "hybrid": HYBRID}))
    path = tmp_path / "a.png"
    assert entry.run(["generate", "a star", "-o", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {"files": [str(path)], "hybrid": HYBRID}


def event(kind: str, **fields: Any) -> str:
    return f"data: {json.dumps({'type': f'image_generation.{kind}', **fields})}\n\n"


def test_previews_are_saved_beside_the_picture(played: Any, tmp_path: Path) -> None:
    text = event("partial_image", b64_json=data_of("p"), image_index=0, partial_image_index=0)
    text += event("completed", b64_json=data_of("whole"), image_index=0, hybrid=HYBRID)
    played(lambda _: httpx.Response(200, text=text))
    path = tmp_path / "a.png"
    assert entry.run(["generate", "a star", "-o", str(path), "--stream"]) == 0
    assert path.read_text() == "whole"
    assert (tmp_path / "a-preview-0.png").read_text() == "p"


def test_a_stream_that_breaks_off_is_a_failure(played: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = event("completed", b64_json=data_of("whole"), image_index=0, hybrid=HYBRID)
    played(lambda _: httpx.Response(200, text=text))
    assert entry.run(["generate", "a star", "-o", str(tmp_path / "a.png"), "-n", "2", "--stream"]) == 1
    assert "after 1 of 2 pictures" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(
    played: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    played(lambda _: httpx.Response(200, json={"data": [{"b64_json": data_of("a")}], "hybrid": HYBRID}))
    (tmp_path / "file").write_text("")
    assert entry.run(["generate", "a star", "-o", str(tmp_path / "file" / "a.png")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_device_whose_service_changed_its_keys_draws_nothing(
    played: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = {"a": base64.b64encode(bytes(range(32))).decode()}
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        segments = [{"name": "small", "runs_on": "Edge", "network": "unknown"}]
        document = {"segments": segments, "signing_keys": keys, "defaults": {"size": "64x64"}}
        return httpx.Response(200, json=document) if "capabilities" in request.url.path else httpx.Response(500)

    played(answer)
    command = ["edge", "generate", "a star", "--state", str(tmp_path)]
    assert entry.run(command) == 1  # pins the key; the handoff itself is refused
    keys["a"] = base64.b64encode(bytes(range(1, 33))).decode()
    assert entry.run(command) == 2
    assert "keys other than those seen before" in capsys.readouterr().err
    assert asked == ["/v1/capabilities", "/v1/handoffs", "/v1/capabilities"]


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "0.000000000000"), ("0.00000071234", "0.000000712"), ("1234.5", "1230"), ("-0.00000005", "-0.00000005")],
)
def test_money_is_never_in_powers_of_ten(amount: str, text: str) -> None:
    assert pictures.money(Decimal(amount)) == text


def test_a_cost_that_is_higher_than_alone_is_not_called_a_saving() -> None:
    line = pictures.cost_line([{**COST, "cloud": "0.0000012"}])
    assert "saved" not in line
    assert "20.0% more" in line


def test_without_a_price_list_only_time_is_told() -> None:
    assert pictures.cost_line([{"nanoseconds": {"large": 2_000_000}}]) == (
        "Cloud time: large 2.0 ms; the service has no price list."
    )


def test_without_a_comparison_no_saving_is_told() -> None:
    line = pictures.cost_line([{**COST, "all_cloud": None}])
    assert "saved" not in line
