"""Rules and scrape configuration as the YAML that Prometheus reads. Shapes only."""

from typing import Any

import yaml

from hybrid_monitoring import scrape
from hybrid_monitoring.alerts import ALERTS, Alert
from hybrid_monitoring.recording import RECORDINGS, Recording

NOTICE = "# Generated from operator/hybrid_monitoring by `python -m hybrid_monitoring`; change it there.\n"


def rules() -> dict[str, Any]:
    """The groups of all rules, which are also a PrometheusRule's `spec`."""
    return {
        "groups": [
            {"name": "hybriddiffusion.recording", "rules": [_recording(each) for each in RECORDINGS]},
            {"name": "hybriddiffusion.alerts", "rules": [_alert(each) for each in ALERTS]},
        ]
    }


def dump(document: dict[str, Any]) -> str:
    """A document as a file."""
    return NOTICE + yaml.safe_dump(document, sort_keys=False, width=10_000)


def scrape_configuration() -> str:
    """A configuration that Prometheus on one machine starts with."""
    return dump(scrape.configuration())


def _recording(rule: Recording) -> dict[str, Any]:
    labels = {"labels": dict(rule.labels)} if rule.labels else {}
    return {"record": rule.name, "expr": rule.expression, **labels}


def _alert(rule: Alert) -> dict[str, Any]:
    return {
        "alert": rule.name,
        "expr": rule.expression,
        "for": rule.lasting,
        "labels": {"severity": rule.severity},
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            "runbook_url": rule.runbook_url,
        },
    }
