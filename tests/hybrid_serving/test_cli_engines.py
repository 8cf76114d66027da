"""`hybrid engine` and `hybrid pair`: what a model engineer sees of engines and pairs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hybrid_engines.cache import MANIFEST
from hybrid_engines.models import BUILTIN
from hybrid_serving.cli import entry

Hybrid = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hybrid(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Hybrid:
    """Runs one command line: exit code, stdout, stderr."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> tuple[int, str, str]:
        code = entry.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache into which the command itself has built the text encoder of the pair."""
    cache = tmp_path_factory.mktemp("engines")
    arguments = ["--component", "text_encoder", "--batch-sizes", "1,2", "--threads", "1", "--cache", str(cache)]
    assert entry.run(["engine", "build", "builtin://shapes/large", *arguments]) == 0
    return cache


@pytest.fixture
def cache(built: Path, tmp_path: Path) -> Path:
    """A copy that the test may spoil."""
    return Path(shutil.copytree(built, tmp_path / "engines"))


def listed(hybrid: Hybrid, cache: Path) -> dict[str, list[dict[str, object]]]:
    code, out, _ = hybrid("engine", "list", "--cache", cache, "--json")
    assert code == 0
    return json.loads(out)


def test_the_list_names_network_backend_and_whether_it_was_verified(hybrid: Hybrid, cache: Path) -> None:
    (found,) = listed(hybrid, cache)["engines"]
    assert (found["model"], found["component"], found["verified"]) == ("shapes/large", "text_encoder", True)
    code, out, _ = hybrid("engine", "list", "--cache", cache)
    assert code == 0
    assert "shapes/large text_encoder" in out


def test_building_again_builds_nothing(hybrid: Hybrid, cache: Path) -> None:
    before = listed(hybrid, cache)
    options = ("--component", "text_encoder", "--batch-sizes", "1,2", "--threads", "1", "--cache", cache)
    code, _, err = hybrid("engine", "build", "builtin://shapes/large", *options)
    assert code == 0
    assert err.startswith("`auto` is `"), "the choice is explained"
    assert listed(hybrid, cache) == before


def test_an_engine_is_inspected_by_how_its_key_begins(hybrid: Hybrid, cache: Path) -> None:
    (found,) = listed(hybrid, cache)["engines"]
    code, out, _ = hybrid("engine", "inspect", str(found["key"])[:8], "--cache", cache)
    assert code == 0
    for word in ("parameters", "macs_with_attention", "instruction_set", "device", "ms a call by rows: 1: "):
        assert word in out


def test_verify_says_that_all_is_well(hybrid: Hybrid, cache: Path) -> None:
    code, out, _ = hybrid("engine", "verify", "--cache", cache)
    assert code == 0
    assert "1 of 1 engines" in out


def test_verify_quarantines_what_was_spoiled_and_the_list_shows_the_reason(hybrid: Hybrid, cache: Path) -> None:
    (path,) = cache.glob("*/network.blob")
    path.write_bytes(path.read_bytes()[:-1])
    code, _, err = hybrid("engine", "verify", "--cache", cache)
    assert code == 1
    assert "1 engines were put into quarantine; the first: `network.blob` of entry" in err
    found = listed(hybrid, cache)
    assert found["engines"] == []
    assert "is not the file that was published" in str(found["refused"][0]["reason"])


@pytest.fixture
def unreadable(cache: Path) -> str:
    """The key of one more entry, before all others, whose manifest the file system does not open (`ELOOP`)."""
    key = "0" * 64
    (cache / key).mkdir()
    (cache / key / MANIFEST).symlink_to(MANIFEST)
    return key


def test_the_list_shows_what_cannot_be_read_and_goes_on(hybrid: Hybrid, cache: Path, unreadable: str) -> None:
    found = listed(hybrid, cache)
    assert len(found["engines"]) == 1
    assert [each["key"] for each in found["refused"]] == [unreadable]
    assert "look at the volume" in str(found["refused"][0]["reason"])


def test_verify_tells_what_cannot_be_read_from_what_was_spoiled_and_goes_on(
    hybrid: Hybrid, cache: Path, unreadable: str
) -> None:
    (path,) = cache.glob("*/network.blob")
    path.write_bytes(path.read_bytes()[:-1])
    code, out, err = hybrid("engine", "verify", "--cache", cache, "--json")
    assert code == 1
    found = json.loads(out)
    assert [each["key"] for each in found["quarantined"]] == [path.parent.name]
    assert [each["key"] for each in found["unreadable"]] == [unreadable]
    assert "1 engines were put into quarantine; the first: `network.blob` of entry" in err
    assert f"1 engines cannot be read; the first: Entry `{unreadable}` of the engine cache" in err
    assert (cache / unreadable).is_dir(), "it stays where it is"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["engine", "inspect", "zz"], 2, "`zz` does not name one engine: no engine in"),
        (["engine", "build", "builtin://nothing"], 2, "There is no `builtin://nothing`"),
        (
            ["engine", "build", "builtin://shapes/large", "--component", "brain"],
            2,
            "expected one of unet, text_encoder",
        ),
        (["engine", "build", "builtin://shapes/large", "--batch-sizes", "a"], 2, "expected numbers with commas"),
        (["engine", "build", "builtin://shapes/large", "--size", "big"], 2, "expected a size in pixels"),
        (["engine", "build", "builtin://shapes/large", "--backend", "CoreML"], 1, "There is no backend `coreml`"),
        (["engine", "build", "builtin://shapes/large", "--precision", "F8"], 1, "has no precision `f8`"),
    ],
)
def test_a_mistake_is_one_sentence(hybrid: Hybrid, tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    found, out, err = hybrid(*arguments, "--cache", tmp_path / "engines")
    assert (found, out) == (code, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "engines").exists()


def test_a_pair_that_fits_says_so(hybrid: Hybrid) -> None:
    code, out, _ = hybrid("pair", "check", "builtin://shapes/large", "builtin://shapes/small")
    assert code == 0
    assert "shapes/large and shapes/small fit together." in out


def test_a_pair_that_does_not_fit_is_refused_with_both_values_of_every_mismatch(hybrid: Hybrid, tmp_path: Path) -> None:
    root = Path(shutil.copytree(BUILTIN / "shapes", tmp_path / "shapes"))
    for part in ("text_encoder", "vae", "scheduler", "tokenizer"):
        shutil.copytree(root / "large" / part, root / "small" / part)
    for path, changes in (
        (root / "small/scheduler/scheduler_config.json", {"prediction_type": "epsilon", "beta_start": 0.5}),
        (root / "small/vae/config.json", {"scaling_factor": 0.25}),
    ):
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    code, out, err = hybrid("pair", "check", (root / "large").as_uri(), (root / "small").as_uri(), "--json")
    assert code == 1
    assert "do not fit together: 3 properties differ" in err
    found = {row["property"]: (row["first"], row["second"]) for row in json.loads(out)["mismatches"]}
    assert set(found) == {"prediction type", "schedule `beta_start`", "VAE scaling factor"}
    assert found["prediction type"] == ("v_prediction", "epsilon")
    assert found["VAE scaling factor"][1] == 0.25
    code, out, _ = hybrid("pair", "check", (root / "large").as_uri(), (root / "small").as_uri())
    assert "v_prediction" in out
    assert "epsilon" in out
