"""One API server for all contract tests: etcd and kube-apiserver, with the HybridDiffusion kind installed."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from e2e.cluster.catalogue import CONTROL_PLANE
from e2e.cluster.control_plane import ControlPlane, control_plane
from e2e.cluster.programs import ProgramMissingError, provide
from hybrid_api import crd
from hybrid_api.v1alpha1 import GROUP


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    try:
        for name in CONTROL_PLANE:
            provide(name)
    except ProgramMissingError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(str(error))
    with control_plane(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


@pytest.fixture(scope="session")
def objects(plane: ControlPlane) -> client.CustomObjectsApi:
    """The API of HybridDiffusion objects, once the server serves it."""
    with plane.client() as connection:
        definitions = client.ApiextensionsV1Api(connection)
        definitions.create_custom_resource_definition(crd.definition())
        while not _is_established(definitions.read_custom_resource_definition(f"{crd.PLURAL}.{GROUP}")):
            pass
    return client.CustomObjectsApi(plane.client())


def _is_established(definition: Any) -> bool:
    conditions = {each.type: each.status for each in definition.status.conditions or []}
    assert conditions.get("NonStructuralSchema") != "True"
    return conditions.get("Established") == "True"
