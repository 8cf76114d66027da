"""KubeRay of the tested version: its resources from its own module, its operator as a process or as a pod.

As a process it reaches Ray through the API server's proxy and needs no image. As a pod it runs the same program from
the cache of programs, with the rights that its own project ships.
"""

from pathlib import Path
from typing import Any

import yaml

from e2e.cluster import machine_image, processes, programs
from e2e.cluster.cluster import Cluster, Manifest

NAMESPACE = "kuberay-system"
_NAME = "kuberay-operator"
_LABELS = {"app.kubernetes.io/name": "kuberay", "app.kubernetes.io/component": _NAME}


def install_resources(cluster: Cluster) -> None:
    """The CustomResourceDefinitions; they are too large for an apply from the client's side."""
    folder = programs.module_folder("kuberay") / "config" / "crd" / "bases"
    cluster.kubectl("apply", "--server-side", f"--filename={folder}")
    for name in ("rayclusters", "rayservices"):
        # A definition without conditions yet is an error to `kubectl wait --for=condition=…`.
        established = "--for=jsonpath={.status.acceptedNames.plural}=" + name
        cluster.kubectl("wait", established, f"crd/{name}.ray.io", "--timeout=60s")


def start_process(cluster: Cluster) -> None:
    """The operator beside the node's programs, on a cluster of ours."""
    assert cluster.place is not None
    program = str(programs.provide("kuberay"))
    options = ["--metrics-addr=127.0.0.1:18080", "--health-probe-bind-address=127.0.0.1:18082"]
    kubeconfig = f"--kubeconfig={cluster.place.folder / 'admin.kubeconfig'}"
    command = [program, kubeconfig, "--enable-leader-election=false", "--use-kubernetes-proxy", *options]
    processes.start("kuberay", command, place=cluster.place)


def install_pod(cluster: Cluster) -> None:
    """The operator as KubeRay's users run it; returns when it is available."""
    cluster.apply(manifests())
    wait = ["--for=condition=Available", f"deployment/{_NAME}", "--timeout=120s"]
    cluster.kubectl("wait", f"--namespace={NAMESPACE}", *wait)


def manifests() -> list[Manifest]:
    """Namespace, rights and Deployment."""
    rights = programs.module_folder("kuberay") / "config" / "rbac"
    account = {"kind": "ServiceAccount", "name": _NAME, "namespace": NAMESPACE}
    role, election = (_loaded(rights / name) for name in ("role.yaml", "leader_election_role.yaml"))
    group = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": _NAME, "namespace": NAMESPACE}},
        role,
        {**election, "metadata": {**election["metadata"], "namespace": NAMESPACE}},
        _binding(
            "ClusterRoleBinding", {"apiGroup": group, "kind": "ClusterRole", "name": role["metadata"]["name"]}, account
        ),
        _binding("RoleBinding", {"apiGroup": group, "kind": "Role", "name": election["metadata"]["name"]}, account),
        _deployment(),
    ]


def _loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _binding(kind: str, role: dict[str, str], account: dict[str, str]) -> Manifest:
    namespace = {"namespace": NAMESPACE} if kind == "RoleBinding" else {}
    metadata = {"name": f"{_NAME}{'-election' if namespace else ''}", **namespace}
    api = "rbac.authorization.k8s.io/v1"
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "roleRef": role, "subjects": [account]}


def _deployment() -> Manifest:
    program = programs.provide("kuberay")
    container = {
        "name": "operator",
        "image": machine_image.NAME,
        "imagePullPolicy": "Never",
        "command": [str(program)],
        "args": ["--enable-leader-election=true"],
        "env": [{"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}],
        "readinessProbe": {"httpGet": {"path": "/metrics", "port": 8080}, "periodSeconds": 2},
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        "volumeMounts": [{"name": "program", "mountPath": str(program), "readOnly": True}],
    }
    template = {
        "metadata": {"labels": _LABELS},
        "spec": {
            "serviceAccountName": _NAME,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001},
            "containers": [container],
            "volumes": [{"name": "program", "hostPath": {"path": str(program), "type": "File"}}],
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": _NAME, "namespace": NAMESPACE, "labels": _LABELS},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": _LABELS},
            "template": template,
        },
    }
