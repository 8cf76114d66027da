"""Settings from the environment: a mistake is a sentence that names the variable."""

import pytest

from hybrid_operator.settings import Settings, SettingsError

NEEDED = {
    "HYBRID_OPERATOR_NAMESPACE": "system",
    "HYBRID_IDENTITY": "pod-1",
    "HYBRID_SERVING_IMAGE": "example/serving:1",
}


@pytest.mark.parametrize("missing", NEEDED)
def test_what_is_needed_and_missing_is_named(missing: str) -> None:
    given = {name: value for name, value in NEEDED.items() if name != missing}
    with pytest.raises(SettingsError, match=f"`{missing}`: found nothing"):
        Settings.from_environment(given)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HYBRID_HEALTH_PORT", "many"), ("HYBRID_METRICS_PORT", "70000"), ("HYBRID_RESYNC_SECONDS", "0")],
)
def test_what_cannot_be_used_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        Settings.from_environment({**NEEDED, variable: value})


def test_namespaces_are_separated_by_commas_and_none_is_the_whole_cluster() -> None:
    assert Settings.from_environment(NEEDED).watch_namespaces == ()
    given = {**NEEDED, "HYBRID_WATCH_NAMESPACES": "a, b,,"}
    assert Settings.from_environment(given).watch_namespaces == ("a", "b")


def test_secrets_for_the_serving_image_are_separated_by_commas() -> None:
    assert Settings.from_environment(NEEDED).pull_secrets == ()
    assert Settings.from_environment({**NEEDED, "HYBRID_PULL_SECRETS": "one,two"}).pull_secrets == ("one", "two")


def test_an_empty_variable_is_an_absent_one_and_foreign_ones_are_passed_over() -> None:
    settings = Settings.from_environment({**NEEDED, "HYBRID_HEALTH_PORT": "", "PATH": "/bin"})
    assert settings.health_port == 8081


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("false", False)])
def test_truth_is_written_out(text: str, expected: bool) -> None:
    assert Settings.from_environment({**NEEDED, "HYBRID_RAY_VIA_PROXY": text}).ray_via_proxy is expected
