"""What the package shows and needs, and the folder that must never become a package."""

import subprocess
import sys
from pathlib import Path

import hybrid_api

_ROOT = Path(__file__).parents[2]


def test_the_source_root_does_not_shadow_the_standard_library() -> None:
    assert not (_ROOT / "operator" / "__init__.py").exists()


def test_the_package_exports_nothing_by_itself() -> None:
    assert hybrid_api.__all__ == []


def test_no_framework_is_imported() -> None:
    modules = sorted(f"hybrid_api.{path.stem}" for path in Path(hybrid_api.__file__).parent.glob("[a-z]*.py"))
    code = f"import sys, {', '.join(modules)}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"ray", "torch", "numpy", "fastapi", "kubernetes", "openvino", "httpx"} & set(found)
