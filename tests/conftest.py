"""What tests of several packages share: one API server for all that ask a real one and leave it as they found it."""

import os
from collections.abc import Iterator

import pytest

from e2e.cluster import programs
from e2e.cluster.catalogue import CONTROLLERS
from e2e.cluster.control_plane import ControlPlane, control_plane


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where components are tested on two cores, what mostly waits for the API server runs beside what computes."""
    for item in items:
        if item.get_closest_marker("component"):
            waits = "plane" in getattr(item, "fixturenames", ())
            item.add_marker(pytest.mark.xdist_group("server" if waits else "computing"))


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd, kube-apiserver and the controllers that collect garbage; no pod runs.

    Definitions that a test installs stay for the others, so each installs what it needs whether or not it is there.
    """
    try:
        for name in (*CONTROLLERS, "kuberay"):
            programs.provide(name)
    except programs.ProgramMissingError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(str(error))
    with control_plane(tmp_path_factory.mktemp("control-plane"), with_controllers=True) as plane:
        yield plane
