"""docs/api.md says what the HTTP API does: its routes, fields, errors and numbers, and none that it does not have."""

import inspect
import re
from collections.abc import Collection
from pathlib import Path

import pytest
from fastapi import FastAPI

from hybrid_serving import envelope, handoff
from hybrid_serving.cloud.ingress import events, idempotency, replies, routes, schemas
from hybrid_serving.cloud.ingress.errors import TABLE
from hybrid_serving.cloud.ingress.schemas import OPENAI_FIELDS, GenerationRequest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()


def table(heading: str) -> dict[str, tuple[str, ...]]:
    """The rows of the table whose first column has this heading: what the first cell names, and the other cells."""
    found = re.search(rf"^\| {re.escape(heading)} \|.*\n\| ---.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found, heading
    rows = [tuple(line[2:-2].split(" | ")) for line in found[1].splitlines()]
    by_name = {name.strip("`"): rest for name, *rest in rows}
    assert len(by_name) == len(rows), "a row stands there twice"
    return {name: tuple(rest) for name, rest in by_name.items()}


def test_every_route_stands_there_and_no_other() -> None:
    app = FastAPI()
    app.include_router(routes.router)
    paths = app.openapi()["paths"]
    assert set(table("route")) == {f"{method.upper()} {path}" for path in paths for method in paths[path]}


def test_every_field_of_openai_stands_there_with_its_treatment() -> None:
    assert {field: treatment for field, (treatment, _) in table("field").items()} == OPENAI_FIELDS


def test_every_field_of_our_own_stands_there_and_no_other() -> None:
    assert set(table("field of our own")) == set(GenerationRequest.model_fields) - set(OPENAI_FIELDS)


def test_every_error_stands_there_with_its_status() -> None:
    stated = {code: int(status) for code, (status, _) in table("code").items()}
    assert stated == {code: status for code, (status, _) in TABLE.items()}


@pytest.mark.parametrize(("heading", "model"), [("`hybrid`", replies.Hybrid), ("`cost`", replies.Cost)])
def test_everything_that_an_answer_adds_stands_there_and_nothing_else(
    heading: str, model: type[replies.Hybrid | replies.Cost]
) -> None:
    assert set(table(heading)) == set(model.model_fields)


@pytest.mark.parametrize(
    "names",
    [
        replies.Images.model_fields,
        replies.Estimate.model_fields,
        schemas.DeviceProfile.model_fields,
        schemas.HandoffReport.model_fields,
        (events.MEDIA_TYPE, events.PARTIAL, events.COMPLETED, events.ERROR, events.KEEP_ALIVE.decode().strip()),
        (handoff.MEDIA_TYPE, handoff.RECEIPT_HEADER),
    ],
)
def test_every_name_on_the_wire_stands_there(names: Collection[str]) -> None:
    missing = [name for name in names if not re.search(rf"[`\"]{re.escape(name)}[`\"\[:]", PAGE)]
    assert missing == []


def test_its_numbers_are_those_of_the_code() -> None:
    kept = {name: each.default for name, each in inspect.signature(idempotency.Answers).parameters.items()}
    for stated in (
        f"kept for {kept['age_seconds'] / 60:.0f} minutes",
        f"more than {kept['entries']:,} or they take more than {kept['size_bytes'] >> 20} MiB",
        f"goes on for {idempotency.ORPHAN_SECONDS:.0f} s after its client left",
        f"after every {events.KEEP_ALIVE_SECONDS:.0f} s of silence",
        f"takes {envelope.MAX_BYTES >> 20} MiB whatever the limit",
        f"1 to {schemas.PROMPT_CHARACTERS:,} characters",
        f"0 to {schemas.SEED_MAX}, as a number",
    ):
        assert stated in PAGE
