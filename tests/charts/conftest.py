"""The chart as Helm renders it, and an API server to hold it against."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster import programs
from e2e.cluster.control_plane import ControlPlane, control_plane

CHART = Path(__file__).parents[2] / "charts" / "hybrid-diffusion"
NAMESPACE = "operators"

Manifest = dict[str, Any]
Ended = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Helm:
    """Helm, on no cluster or on one."""

    program: Path
    kubeconfig: Path | None = None

    def __call__(self, *arguments: str) -> Ended:
        where = [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        return subprocess.run([self.program, *where, *arguments], capture_output=True, text=True, check=False)

    def render(self, *options: str) -> list[Manifest]:
        ended = self("template", "release", str(CHART), f"--namespace={NAMESPACE}", *options)
        assert ended.returncode == 0, ended.stderr
        return [manifest for manifest in yaml.safe_load_all(ended.stdout) if manifest]


@dataclass(frozen=True, slots=True)
class Server:
    """An API server, and kubectl and Helm on it."""

    plane: ControlPlane
    kubectl_program: Path
    helm: Helm

    def kubectl(self, *arguments: str, given: Sequence[Manifest] = ()) -> Ended:
        command = [self.kubectl_program, f"--kubeconfig={self.helm.kubeconfig}", *arguments]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(given)})
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def provided(*names: str) -> list[Path]:
    """The programs. Where they cannot be had, the tests are left out and say why; in CI that is a failure."""
    try:
        return [programs.provide(name) for name in names]
    except programs.ProgramMissingError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def helm() -> Helm:
    return Helm(*provided("helm"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    _, _, kubectl, helm = provided("etcd", "kube-apiserver", "kubectl", "helm")
    folder = tmp_path_factory.mktemp("server")
    with control_plane(folder) as plane:
        kubeconfig = plane.access.write(folder / "kubeconfig")
        server = Server(plane, kubectl, Helm(helm, kubeconfig))
        enforced = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": enforced}}
        made = server.kubectl("apply", "--server-side", "--filename=-", given=[namespace])
        assert made.returncode == 0, made.stderr
        yield server
