"""What the operator may bring into its process."""

import subprocess
import sys

HEAVY = ("torch", "ray", "diffusers", "transformers", "openvino", "fastapi", "hybrid_serving")


def test_the_operator_brings_nothing_heavy_into_its_process() -> None:
    code = "import sys, hybrid_operator.__main__; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(HEAVY) & set(modules)
