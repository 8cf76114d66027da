"""ARCHITECTURE.md tells the truth about what there is."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "operator/hybrid_api",
    "operator/hybrid_monitoring",
    "operator/hybrid_operator",
    "serving/hybrid_serving",
    "engines/hybrid_engines",
)


def _modules() -> set[str]:
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {f"{path.parent.relative_to(ROOT)}:{path.stem}" for path in files if path.name != "__init__.py"}


def _named() -> set[str]:
    named, folder = set(), ""
    for line in (ROOT / "ARCHITECTURE.md").read_text().splitlines():
        if heading := re.match(r"### .*`(.+)`$", line):
            folder = heading[1]
        elif (entry := re.match(r"- `(\w+)`: ", line)) and folder:
            named.add(f"{folder}:{entry[1]}")
    return named


def test_every_module_is_named_in_the_architecture_and_nothing_else() -> None:
    assert _named() == _modules()


def test_the_operator_folder_does_not_shadow_the_standard_library() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()
