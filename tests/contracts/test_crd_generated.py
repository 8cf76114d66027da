"""The committed CRD is the generated one, and small enough for a plain `kubectl apply`."""

from pathlib import Path

import pytest
import yaml

from hybrid_api import crd

_ROOT = Path(__file__).parents[2]
_LAST_APPLIED_LIMIT = 262_144
"""`kubectl apply` keeps the whole object in an annotation, and annotations may not be larger."""


def test_the_committed_crd_is_the_generated_one() -> None:
    assert (_ROOT / crd.PATH).read_text() == crd.render(), "run `make generate`"


def test_the_crd_fits_into_kubectl_apply() -> None:
    assert len(crd.render().encode()) < _LAST_APPLIED_LIMIT / 4


def test_the_yaml_has_no_anchors() -> None:
    assert "&id" not in crd.render()
    assert yaml.safe_load(crd.render()) == crd.definition()


def test_the_module_writes_the_file(tmp_path: Path) -> None:
    crd.main([str(tmp_path / "new" / "crd.yaml")])
    assert (tmp_path / "new" / "crd.yaml").read_text() == crd.render()


def test_the_module_writes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    crd.main(["-"])
    assert capsys.readouterr().out == crd.render()
