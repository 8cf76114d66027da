"""With a warm cache nothing is exported and no training framework imported: in a replica, in an app, on a device."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hybrid_api import documents
from hybrid_engines import build
from hybrid_serving.cli import warm

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / ".engine_cache"
SAMPLE = ROOT / "e2e" / "samples" / "shapes.yaml"
HEAVY = (
    "torch",
    "diffusers",
    "transformers",
    "onnx",
    "onnxscript",
    "hybrid_engines.builder",
    "hybrid_engines.networks",
)

REPLICA = """
from pathlib import Path
from hybrid_api import documents, serve_config
from hybrid_serving.cloud import assembly

resource = documents.load_documents(Path({sample!r}).read_text()).resource
fixed = serve_config.read_fixed(serve_config.fixed_half(resource))
worker = assembly.worker(fixed, segment={segment!r})
"""
DEVICE = """
from pathlib import Path
from hybrid_engines import models
from hybrid_engines.spec import EngineSpec
from hybrid_serving.edge.device import Device

device = Device.open(models.open_model("builtin://shapes/small"), spec=EngineSpec(threads=2), size=(64, 64))
device.profile(Path({folder!r}))
"""
APPLICATION = "import hybrid_serving.cloud.app"
REPORT = """
import os, sys
os.write(1, repr([name for name in {heavy!r} if name in sys.modules]).encode())
os._exit(0)
"""


@pytest.fixture(scope="module", autouse=True)
def engines() -> None:
    """Every engine of the sample."""
    for each in warm.wanted(documents.load_documents(SAMPLE.read_text()).resource):
        build.ensure(each.model, each.component, spec=each.spec, size=each.size, cache=STORE)


def imported(script: str) -> str:
    """Those of the heavy modules that a fresh process has imported after `script`."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script + REPORT.format(heavy=HEAVY)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"HYBRID_ENGINE_CACHE": str(STORE)},
    )
    return done.stdout


@pytest.mark.parametrize("segment", ["large", "small"])
def test_a_replica_starts_without_a_training_framework(segment: str) -> None:
    assert imported(REPLICA.format(sample=str(SAMPLE), segment=segment)) == "[]"


def test_a_device_starts_without_a_training_framework(tmp_path: Path) -> None:
    assert imported(DEVICE.format(folder=str(tmp_path))) == "[]"


def test_the_application_is_imported_without_a_training_framework() -> None:
    assert imported(APPLICATION) == "[]"


def test_the_check_itself_would_see_a_framework() -> None:
    assert imported("import onnx") == "['onnx']"
