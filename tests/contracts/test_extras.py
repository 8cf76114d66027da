"""What an extra installs is enough for what it is for."""

import subprocess
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_PROGRAM = """
import importlib.abc, importlib.machinery, sys

class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name not in sys.argv[2:]:
            return None
        brought_along = [folder for folder in sys.path if not folder.endswith("site-packages")]
        if spec := importlib.machinery.PathFinder.find_spec(name, brought_along):
            return spec
        raise ModuleNotFoundError(f"{name} is not installed", name=name)

sys.meta_path.insert(0, Hidden())
__import__(sys.argv[1])
"""
"""Imports a module as if some packages were not there: what is imported only where it is installed may lack, and Ray
brings copies along."""


@pytest.mark.parametrize(
    ("module", "extras"),
    [
        ("hybrid_serving.cli.entry", {"edge"}),
        ("hybrid_serving.edge.session", {"edge"}),
        ("hybrid_engines.backends.openvino", {"edge", "openvino"}),
        ("hybrid_engines.backends.onnxruntime", {"edge", "onnxruntime"}),
        ("hybrid_serving.cloud.ingress.deployment", {"serving"}),
        ("hybrid_serving.cloud.denoiser", {"serving"}),
        ("hybrid_serving.ledger.postgresql", {"serving", "postgresql"}),
        ("hybrid_operator.__main__", {"operator"}),
        ("hybrid_monitoring", {"operator"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_extra_installs_all_that_is_imported(module: str, extras: set[str]) -> None:
    installed = _installed("hybrid-diffusion", extras)
    hidden = [name for name, owners in metadata.packages_distributions().items() if not installed & _names(owners)]
    command = [sys.executable, "-c", _PROGRAM, module, *hidden]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def _names(distributions: list[str]) -> set[str]:
    return {canonicalize_name(name) for name in distributions}


def _installed(distribution: str, extras: set[str]) -> set[str]:
    """Names of all that a requirement brings, itself included."""
    found: dict[str, set[str]] = {}
    waiting = [(distribution, extras)]
    while waiting:
        name, wanted = waiting.pop()
        if name in found and wanted <= found[name]:
            continue
        found[name] = found.get(name, set()) | wanted
        try:
            requirements = [Requirement(text) for text in metadata.requires(name) or ()]
        except metadata.PackageNotFoundError:
            continue  # of another platform, or of an extra that is not installed here
        waiting += [
            (canonicalize_name(each.name), set(each.extras))
            for each in requirements
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *wanted))
        ]
    return set(found)
