"""Where the control plane's programs come from; `e2e/cluster` must say what is missing, never guess."""

import stat
from pathlib import Path

import pytest

from e2e.cluster import programs
from e2e.cluster.programs import ProgramMissingError


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("TEST_ASSET_ETCD", "TEST_ASSET_KUBE_APISERVER", "KUBEBUILDER_ASSETS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def a_program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(stat.S_IRWXU)
    return path


def test_without_a_program_and_without_go_both_ways_out_are_named() -> None:
    with pytest.raises(ProgramMissingError, match=r"Found neither `etcd` nor Go .* install Go .* KUBEBUILDER_ASSETS"):
        programs.provide("etcd")


def test_a_folder_without_the_program_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(ProgramMissingError, match=r"KUBEBUILDER_ASSETS points at .* which is no program"):
        programs.provide("etcd")


def test_a_folder_of_programs_wins_over_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    a_program(tmp_path / "cache/hybrid-diffusion/programs/etcd-v3.6.6")
    given = a_program(tmp_path / "assets" / "etcd")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(given.parent))
    assert programs.provide("etcd") == given


def test_one_program_wins_over_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = a_program(tmp_path / "mine")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "nowhere"))
    monkeypatch.setenv("TEST_ASSET_KUBE_APISERVER", str(given))
    assert programs.provide("kube-apiserver") == given


def test_what_was_built_once_is_not_built_again(tmp_path: Path) -> None:
    cached = a_program(tmp_path / "cache/hybrid-diffusion/programs/etcd-v3.6.6")
    assert programs.provide("etcd") == cached


def test_a_build_that_fails_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    go = a_program(tmp_path / "bin" / "go")
    go.write_text("#!/bin/sh\necho no such module >&2\nexit 1\n")
    with pytest.raises(ProgramMissingError, match="no such module"):
        programs.provide("etcd")
    assert [path.name for path in (tmp_path / "cache/hybrid-diffusion/programs").iterdir()] == ["etcd.lock"]
