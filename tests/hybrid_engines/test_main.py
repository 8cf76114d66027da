import pytest

from hybrid_engines import __main__ as command


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
