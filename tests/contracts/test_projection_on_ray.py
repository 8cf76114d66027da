"""On a real Ray: tunables and bounds reach running replicas, only the fixed half starts them anew.

The application is a stand-in (`toy_application.py`); what is tested is the document.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybrid_api import documents, serve_config

_HERE = Path(__file__).parent
_SAMPLE = _HERE.parents[1] / "e2e" / "samples" / "shapes.yaml"


def a_document(*, workers: Mapping[str, Any], steps: int = 25, threads: int = 2, port: int) -> dict[str, Any]:
    manifest = next(yaml.safe_load_all(_SAMPLE.read_text()))
    large = manifest["spec"]["segments"][0]
    large["workers"] = workers
    large["engine"]["threads"] = threads
    manifest["spec"]["requests"]["defaults"]["steps"] = steps
    document = serve_config.render(documents.parse(manifest), port=port)
    document["applications"][0] |= {
        "import_path": "toy_application:build",
        "autoscaling_policy": {"policy_function": "toy_application:policy"},
    }
    return document


def served(sequence: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What every deployment said after each document: process ids and the default steps it was told."""
    environment = os.environ | {"PYTHONPATH": str(_HERE), "RAY_AUTH_MODE": "disabled"}
    ran = subprocess.run(
        [sys.executable, str(_HERE / "toy_application.py")],
        input=json.dumps(sequence),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]


@pytest.mark.component
def test_only_the_fixed_half_starts_replicas_anew() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    scaled = {"autoscaling": {"minReplicas": 1, "maxReplicas": 2, "scaleDownDelay": "1h"}}
    first, tuned, fixed_number, rebuilt = served(
        [
            a_document(workers=scaled, port=port),
            a_document(workers=scaled, steps=24, port=port),
            a_document(workers={"replicas": 1}, steps=24, port=port),
            a_document(workers={"replicas": 1}, steps=23, threads=1, port=port),
        ]
    )
    assert len(first["large"]["pids"]) == 2
    assert {name: each["steps"] for name, each in tuned.items()} == {"Ingress": [24], "large": [24], "small": [24]}
    assert [each["pids"] for each in tuned.values()] == [each["pids"] for each in first.values()]
    assert set(fixed_number["large"]["pids"]) < set(tuned["large"]["pids"])
    assert fixed_number["small"] == tuned["small"]
    for name, each in rebuilt.items():
        assert not set(each["pids"]) & set(fixed_number[name]["pids"])
