"""Every kind of resource, for tests of what holds for all, and one API server for those that ask it."""

import os
import ssl
from collections.abc import Callable, Iterator

import httpx
import pytest
import yaml
from tests.hybrid_operator.manifests.samples import Manifest, bare, everything, longest, parsed, readme
from tests.hybrid_operator.manifests.server import Server

from e2e import pod_monitors
from e2e.cluster import programs
from e2e.cluster.catalogue import CONTROL_PLANE
from e2e.cluster.control_plane import ControlPlane, control_plane
from hybrid_api import crd
from hybrid_api.v1alpha1 import HybridDiffusion

Make = Callable[[], Manifest]


@pytest.fixture(params=[readme, bare, everything, longest], ids=lambda make: make.__name__)
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


@pytest.fixture
def hd(make: Make) -> HybridDiffusion:
    return parsed(make())


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd and kube-apiserver alone: controllers, as the shared one has, would write beside us what is counted here."""
    try:
        for name in (*CONTROL_PLANE, "kuberay"):
            programs.provide(name)
    except programs.ProgramMissingError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(str(error))
    with control_plane(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


@pytest.fixture(scope="session")
def server(plane: ControlPlane) -> Iterator[Server]:
    """The server with our definitions, KubeRay's as KubeRay ships them, and a namespace for `restricted` pods only."""
    definitions = programs.module_folder("kuberay") / "config/crd/bases"
    trusted = ssl.create_default_context(cafile=plane.certificate)
    authorization = {"Authorization": f"Bearer {plane.token}"}
    with httpx.Client(base_url=plane.url, headers=authorization, verify=trusted, timeout=60) as client:
        server = Server(client)
        for path in sorted(definitions.glob("ray.io_*.yaml")):
            server.define(yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        server.define(crd.definition())
        server.define(pod_monitors.definition())
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        server.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "restricted", "labels": labels}})
        urgent = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "pictures"}}
        server.apply(urgent | {"value": 1})
        yield server
