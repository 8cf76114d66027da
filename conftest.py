"""In CI nothing is left out silently: what is skipped for want of a program fails."""

import os
from collections.abc import Generator

import pytest

_EXCUSED = ("gpu", "hardware")
"""Markers of tests that depend on what this machine is made of."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure in CI, but for what depends on the machine's own hardware."""
    report = yield
    is_skip = report.skipped and not hasattr(report, "wasxfail")
    is_excused = any(item.get_closest_marker(marker) for marker in _EXCUSED)
    if "CI" in os.environ and is_skip and not is_excused:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and in CI nothing may be: {report.longrepr}"
    return report
