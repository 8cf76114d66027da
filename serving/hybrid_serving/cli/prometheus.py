"""Asks a Prometheus: values of now, and their course. Knows no metric."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from hybrid_serving.cli.failures import Failure, one_sentence


@dataclass(frozen=True, slots=True)
class Series:
    """One series over time."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]
    """Seconds since the epoch and value, oldest first."""


class Prometheus:
    """The HTTP API of one Prometheus; use as a context manager."""

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url
        self._client = httpx.Client(base_url=url.rstrip("/"), timeout=30.0, transport=transport, trust_env=False)

    def now(self, expression: str, *, at: float) -> list[Series]:
        """Values at a moment; nothing that is not a number."""
        answer = self._ask("query", {"query": expression, "time": at})
        return [Series(each["metric"], points) for each in answer if (points := _points([each["value"]]))]

    def course(self, expression: str, *, start: float, end: float, step: float) -> list[Series]:
        """Values from `start` to `end`, every `step` seconds."""
        answer = self._ask("query_range", {"query": expression, "start": start, "end": end, "step": step})
        return [Series(each["metric"], _points(each["values"])) for each in answer]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def _ask(self, what: str, parameters: Mapping[str, str | float]) -> list[dict[str, Any]]:
        try:
            answer = self._client.get(f"/api/v1/{what}", params=dict(parameters))
            document = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise Failure(
                f"No Prometheus answers at {self._url} ({one_sentence(error)}); give its address with `--prometheus`."
            ) from error
        if document.get("status") != "success":
            raise Failure(f"Prometheus at {self._url} refused a query: {document.get('error', answer.status_code)}.")
        found: list[dict[str, Any]] = document["data"]["result"]
        return found


def _points(values: list[list[Any]]) -> tuple[tuple[float, float], ...]:
    points = ((float(moment), float(value)) for moment, value in values)
    return tuple((moment, value) for moment, value in points if math.isfinite(value))
