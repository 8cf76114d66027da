import pytest

from hybrid_engines import __main__ as command
from hybrid_engines import build, models
from hybrid_engines.backends import openvino
from hybrid_engines.spec import EngineSpec


def test_a_build_reports_its_stages(tiny_master, tmp_path, capsys):
    address = (tiny_master / "small").as_uri()
    options = ["--component", "text_encoder", "--size", "16x16", "--batch-sizes", "1,2", "--cache", str(tmp_path)]
    assert command.main(["build", address, *options]) == 0
    told = capsys.readouterr().err
    assert "text_encoder of tiny/small" in told
    assert told.startswith("`auto` is `"), "the choice is explained"
    report = tmp_path / "report"
    assert command.main(["build", address, *options, "--report", str(report)]) == 0
    assert "compiling" not in capsys.readouterr().err
    assert report.read_text().startswith("text_encoder 16x16: found, ")


def test_a_build_for_several_sizes_reports_each(tiny_master, tmp_path):
    address, report = (tiny_master / "small").as_uri(), tmp_path / "report"
    options = ["--component", "unet", "--size", "16x16", "--size", "32x16", "--batch-sizes", "1,2"]
    assert command.main(["build", address, *options, "--cache", str(tmp_path / "c"), "--report", str(report)]) == 0
    first, second = report.read_text().splitlines()
    assert first.startswith("unet 16x16: built, ")
    assert second.startswith("unet 32x16: built, ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["builtin://nothing"], "There is no `builtin://nothing`"),
        (["builtin://shapes/large", "--size", "63x64"], "use multiples of"),
        (["builtin://shapes/large", "--batch-sizes", "4,2"], "must be positive, ascending"),
        (["builtin://shapes/large", "--threads", "0"], "0 threads"),
    ],
)
def test_what_cannot_be_built_is_one_sentence_and_an_exit_code(tmp_path, capsys, arguments, sentence):
    cache, report = tmp_path / "cache", tmp_path / "report"
    assert command.main(["build", *arguments, "--cache", str(cache), "--report", str(report)]) == 1
    assert sentence in capsys.readouterr().err
    assert sentence in report.read_text()
    assert not cache.exists()


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--batch-sizes", "1,two", "`1,two` is no list of batch sizes; expected numbers with commas between"),
        ("--size", "big", "`big` is no size; expected width x height such as 64x64."),
        ("--size", "64x", "`64x` is no size"),
    ],
)
def test_an_option_that_cannot_be_read_says_what_was_expected(capsys, option, value, sentence):
    with pytest.raises(SystemExit) as ended:
        command.main(["build", "builtin://shapes/large", option, value])
    assert ended.value.code == 2
    assert f"argument {option}: {sentence}" in capsys.readouterr().err


@pytest.fixture
def failing(tiny_master, tmp_path):
    """Build the tiny text encoder where that fails; its exit code and what it reported."""
    address, report = (tiny_master / "small").as_uri(), tmp_path / "report"
    options = ["--component", "text_encoder", "--size", "16x16", "--backend", "openvino", "--batch-sizes", "1,2"]

    def run(cache):
        code = command.main(["build", address, *options, "--cache", str(cache), "--report", str(report)])
        return code, report.read_text()

    return run


def key_of(folder):
    spec = EngineSpec(backend="openvino", batch_sizes=(1, 2))
    return build.plan(models.open_model(folder.as_uri()), "text_encoder", spec=spec, size=(16, 16)).key()


@pytest.mark.parametrize("kind", [RuntimeError, ValueError])
def test_an_error_that_nobody_foresaw_is_reported_in_one_line_and_shown_whole(
    failing, tmp_path, monkeypatch, capsys, kind
):
    def make(*_, **__):
        raise kind("no such\n  operator.")

    monkeypatch.setattr(openvino, "make", make)
    code, told = failing(tmp_path / "cache")
    expected = f"The build ended with an error that nobody foresaw: {kind.__name__}: no such operator."
    assert (code, told) == (1, expected)
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_is_reported_and_tried_again(failing, tiny_master, tmp_path):
    (tmp_path / "cache" / ".locks" / f"{key_of(tiny_master / 'small')}.lock").mkdir(parents=True)
    code, told = failing(tmp_path / "cache")
    assert code not in (0, 1, 2), "which a Job takes for final"
    assert told.startswith(f"The engine cache `{tmp_path / 'cache'}` cannot be written")


def test_what_a_file_system_refuses_in_the_middle_of_a_build_is_reported_and_tried_again(
    failing, tiny_master, tmp_path
):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / key_of(tiny_master / "small")).write_text("in the way of what is to be published")
    code, told = failing(tmp_path / "cache")
    assert code not in (0, 1, 2), "which a Job takes for final"
    assert told.startswith("The build could not read or write a file: [Errno ")
