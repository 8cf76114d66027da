"""A Redis of this machine's in a cluster, for what outlives Ray's head. It keeps nothing when its pod ends."""

import shutil

from e2e.cluster import machine_image, machine_mounts
from e2e.cluster.cluster import Cluster, Manifest

NAME = "redis"
PORT = 6379
_PROGRAM = "redis-server"


class NoRedisError(RuntimeError):
    """This machine has no Redis."""


def install(cluster: Cluster, *, namespace: str = "default") -> str:
    """Start it; its address, once it answers."""
    program = shutil.which(_PROGRAM)
    if program is None:
        raise NoRedisError(f"There is no `{_PROGRAM}` here: call `apt-get install {_PROGRAM}`.")
    cluster.apply(_manifests(program, namespace=namespace))
    cluster.kubectl("wait", f"--namespace={namespace}", "--for=condition=Ready", f"pod/{NAME}", "--timeout=60s")
    return f"{NAME}.{namespace}.svc.cluster.local:{PORT}"


def _manifests(program: str, *, namespace: str) -> list[Manifest]:
    metadata = {"name": NAME, "namespace": namespace, "labels": {"app.kubernetes.io/name": NAME}}
    container = {
        "name": NAME,
        "image": machine_image.NAME,
        "imagePullPolicy": "Never",
        "command": [program, "--protected-mode", "no", "--save", "", "--dir", "/tmp"],
        "volumeMounts": machine_mounts.volume_mounts(),
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
    }
    pod = {"containers": [container], "volumes": machine_mounts.volumes()}
    service = {"selector": metadata["labels"], "ports": [{"port": PORT}]}
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
    ]
