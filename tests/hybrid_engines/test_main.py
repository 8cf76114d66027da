import pytest

from hybrid_engines import __main__ as command


def test_a_build_reports_its_stages(tiny_master, tmp_path, capsys):
    address = (tiny_master / "small").as_uri()
    options = ["--component", "text_encoder", "--size", "16x16", "--batch-sizes", "1,2", "--cache", str(tmp_path)]
    assert command.main(["build", address, *options]) == 0
    assert "text_encoder of tiny/small" in capsys.readouterr().err
    assert command.main(["build", address, *options]) == 0
    assert "compiling" not in capsys.readouterr().err


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
    assert command.main(["build", *arguments, "--cache", str(tmp_path)]) == 1
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
