"""The catalogue of programs agrees with the modules that they are built from."""

import re
from pathlib import Path

import pytest

from e2e.cluster import catalogue

_MODULES = Path(catalogue.__file__).parent / "binaries"


@pytest.mark.parametrize("name", catalogue.PROGRAMS)
def test_a_program_is_of_the_version_that_its_module_requires(name: str) -> None:
    program = catalogue.PROGRAMS[name]
    required = dict(re.findall(r"(\S+/\S+) (v\S+)", (_MODULES / program.module / "go.mod").read_text()))
    owner = max((module for module in required if program.package.startswith(module)), key=len)
    assert required[owner] == program.version


@pytest.mark.parametrize("name", catalogue.PROGRAMS)
def test_a_module_keeps_every_program_in_its_requirements(name: str) -> None:
    program = catalogue.PROGRAMS[name]
    assert f'_ "{program.package}"' in (_MODULES / program.module / "tools.go").read_text()


def test_a_tier_names_only_programs_that_there_are() -> None:
    assert set(catalogue.NODE) <= set(catalogue.PROGRAMS)
    assert set(catalogue.CONTROL_PLANE) < set(catalogue.CONTROLLERS) < set(catalogue.NODE)
