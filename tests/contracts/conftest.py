"""The API server as contract tests ask it, with the HybridDiffusion kind installed."""

from contextlib import suppress
from typing import Any

import pytest
from kubernetes import client

from e2e.cluster.control_plane import ControlPlane
from hybrid_api import crd
from hybrid_api.v1alpha1 import GROUP


@pytest.fixture(scope="session")
def objects(plane: ControlPlane) -> client.CustomObjectsApi:
    """The API of HybridDiffusion objects, once the server serves it."""
    with plane.client() as connection:
        definitions = client.ApiextensionsV1Api(connection)
        with suppress(client.ApiException):  # another test's
            definitions.create_custom_resource_definition(crd.definition())
        while not _is_established(definitions.read_custom_resource_definition(f"{crd.PLURAL}.{GROUP}")):
            pass
    return client.CustomObjectsApi(plane.client())


def _is_established(definition: Any) -> bool:
    conditions = {each.type: each.status for each in definition.status.conditions or []}
    assert conditions.get("NonStructuralSchema") != "True"
    return conditions.get("Established") == "True"
