"""Queries with Grafana's variables, as dashboards have them, and filled in for whoever asks Prometheus itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

SELECTED = 'namespace=~"$namespace",name=~"$name"'
"""The resources that a dashboard is looking at."""
EVERYTHING: Mapping[str, str] = {"namespace": ".*", "name": ".*"}

_METRIC = re.compile(r"\bhybriddiffusion[_a-z0-9:]*[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Query:
    """One expression and the name that its series go by."""

    expression: str
    legend: str = ""
    """With `{{label}}` for the value of a label."""


def filled(expression: str, *, window: str, rate: str, selection: Mapping[str, str] = EVERYTHING) -> str:
    """An expression with every variable replaced: `window` for the whole range, `rate` for one point's."""
    values = {**selection, "__range": window, "__rate_interval": rate}
    for name, value in values.items():
        expression = expression.replace(f"${name}", value)
    return expression


def metrics_in(expression: str) -> set[str]:
    """Names of our metrics in an expression."""
    return set(_METRIC.findall(expression))
