"""What a user sees of `hybrid`: help with examples, one sentence for an error, an exit code, JSON."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hybrid_api import crd
from hybrid_serving.cli import entry
from hybrid_serving.cli.commands import version

COMMANDS = (["serve"], ["generate"], ["edge", "generate"], ["cost"], ["profile"], ["crd"], ["version"])
NOBODY = "http://127.0.0.1:1"
"""A port that needs privileges to listen on."""

Hybrid = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hybrid(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Hybrid:
    """Runs one command line: exit code, stdout, stderr."""
    monkeypatch.setenv("COLUMNS", "200")
    for variable in ("HYBRID_URL", "HYBRID_API_KEY", "HYBRID_TRACEBACK"):
        monkeypatch.delenv(variable, raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = entry.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["serv"], 2, "No such command 'serv'"),
        (["generate"], 2, "Missing argument"),
        (["generate", "a star", "--colour", "red"], 2, "No such option: --colour"),
        (["generate", "  "], 2, "The prompt is empty"),
        (["generate", "a star", "-n", "0"], 2, "-n"),
        (["generate", "a star", "--url", NOBODY], 1, "No answer from http://127.0.0.1:1"),
        (["edge", "generate", "a star", "--url", NOBODY], 1, "No answer from http://127.0.0.1:1"),
        (["serve", "-f", "nowhere.yaml"], 2, "nowhere.yaml cannot be read"),
        (["serve"], 2, "Missing option"),
        (["profile", "--splits", "1,99"], 2, "expected numbers from 0 to 25"),
        (["profile", "--splits", "a"], 2, "expected numbers from 0 to 25"),
        (["profile", "--size", "large"], 2, "expected a size in pixels"),
        (["profile", "--sampler", "plms"], 2, "expected one of dpmpp-2m"),
        (["profile", "--large", "builtin://nothing"], 2, "There is no `builtin://nothing`"),
    ],
)
def test_a_mistake_is_answered_with_one_sentence_and_an_exit_code(
    hybrid: Hybrid, arguments: list[str], code: int, said: str
) -> None:
    found, out, err = hybrid(*arguments)
    assert found == code
    assert out == ""
    assert err.startswith("hybrid: ")
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_yaml_that_does_not_parse_names_the_file_and_the_field(hybrid: Hybrid, tmp_path: Path) -> None:
    path = tmp_path / "resource.yaml"
    path.write_text("kind: HybridDiffusion\nmetadata: {name: a}\nspec: {segmnets: []}\n")
    code, _, err = hybrid("serve", "-f", path)
    assert code == 2
    assert str(path) in err
    assert "`spec." in err


def test_bytes_that_are_no_text_are_refused(hybrid: Hybrid, tmp_path: Path) -> None:
    path = tmp_path / "resource.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    code, _, err = hybrid("serve", "-f", path)
    assert code == 2
    assert "no UTF-8 text" in err


def test_an_error_that_nobody_foresaw_shows_no_traceback(hybrid: Hybrid, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> str:
        raise RuntimeError("the disk\nis gone")

    monkeypatch.setattr(version.metadata, "version", fail)
    code, out, err = hybrid("version")
    assert (code, out) == (1, "")
    assert err == "hybrid: Unexpected RuntimeError: the disk is gone\n"


def test_the_traceback_can_be_asked_for(hybrid: Hybrid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRID_TRACEBACK", "1")
    assert "Traceback" in hybrid("serve", "-f", "nowhere.yaml")[2]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_of_every_command_shows_examples_and_json(hybrid: Hybrid, command: list[str]) -> None:
    code, out, _ = hybrid(*command, "--help")
    assert code == 0
    assert "Examples" in out
    assert out.count(f"hybrid {' '.join(command)}") >= 2
    assert "--json" in out


def test_help_lists_every_command(hybrid: Hybrid) -> None:
    _, out, _ = hybrid("--help")
    assert all(f" {command[0]} " in out for command in COMMANDS)


def test_the_printed_definition_is_the_generated_one(hybrid: Hybrid) -> None:
    assert hybrid("crd")[1] == crd.render()
    assert json.loads(hybrid("crd", "--json")[1]) == crd.definition()


def test_versions_are_json_where_asked_for(hybrid: Hybrid) -> None:
    document = json.loads(hybrid("version", "--json")[1])
    assert document["python"].startswith("3.")
    assert document["numpy"]


def test_the_module_is_the_program() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "hybrid_serving.cli", "serve", "-f", "nowhere.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("hybrid: nowhere.yaml")
    assert "Traceback" not in ended.stderr
