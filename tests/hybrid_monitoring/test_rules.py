"""Rules as Prometheus itself understands them: checked, and every alert seen firing and not firing."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from hybrid_monitoring import generated
from hybrid_monitoring.alerts import ALERTS

TESTS = Path(__file__).with_name("rules_test.yaml")
RULES, CONFIGURATION = generated.CHART / "rules/rules.yaml", generated.CHART / "rules/prometheus.yaml"
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool is installed")


def promtool(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files as they lie together."""
    (tmp_path / "rules.yaml").write_text(generated.files()[RULES])
    (tmp_path / "prometheus.yaml").write_text(generated.files()[CONFIGURATION])
    (tmp_path / TESTS.name).write_text(TESTS.read_text())
    return tmp_path


@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_rules(folder: Path) -> None:
    found = promtool("check", "rules", "--lint-fatal", "rules.yaml", folder=folder)
    assert found.returncode == 0, found.stdout + found.stderr


@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_configuration(folder: Path) -> None:
    found = promtool("check", "config", "prometheus.yaml", folder=folder)
    assert found.returncode == 0, found.stdout + found.stderr


@needs_promtool
def test_alerts_fire_when_they_should_and_only_then(folder: Path) -> None:
    found = promtool("test", "rules", TESTS.name, folder=folder)
    assert found.returncode == 0, found.stdout + found.stderr


def test_every_alert_is_seen_firing_and_not_firing() -> None:
    cases = [case for test in yaml.safe_load(TESTS.read_text())["tests"] for case in test.get("alert_rule_test", ())]
    fired = {case["alertname"] for case in cases if case["exp_alerts"]}
    quiet = {case["alertname"] for case in cases if not case["exp_alerts"]}
    names = {alert.name for alert in ALERTS}
    assert (fired, quiet) == (names, names)


def test_helm_can_ship_the_files_as_they_are() -> None:
    """They are included whole, so that Prometheus' own braces are left alone."""
    assert re.search(r"{{ \$labels\.name }}", generated.files()[RULES])
