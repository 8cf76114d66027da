"""The operator and KubeRay in a cluster, installed as a platform engineer does it: by Helm, as pods.

On a cluster of ours their pods run this machine's programs; on one of the reader's, the images that
`HYBRID_E2E_OPERATOR_IMAGE` and `HYBRID_E2E_SERVING_IMAGE` name, or the chart's own.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from e2e.cluster import kuberay, machine_image, machine_mounts
from e2e.cluster.cluster import Cluster

NAME = "hybrid"
NAMESPACE = "hybrid-system"
OPERATOR = "hybrid-hybrid-diffusion"
"""Of the Deployment, its Service and its Lease."""
CHART = Path(__file__).parents[1] / "charts" / "hybrid-diffusion"


@contextmanager
def installed(cluster: Cluster, folder: Path, *, values: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Install KubeRay and the chart; uninstall the chart in the order that its notes name."""
    if cluster.place is not None:
        kuberay.install_resources(cluster)
        kuberay.install_pod(cluster)
    try:
        upgrade(cluster, folder, values=values)
        yield
    finally:
        if cluster.place is not None:  # on the reader's there may be some that no test made
            cluster.kubectl("delete", "hybriddiffusions", "--all", "--all-namespaces", "--timeout=180s")
        cluster.helm("uninstall", NAME, f"--namespace={NAMESPACE}", "--ignore-not-found", "--wait", "--timeout=120s")


def upgrade(cluster: Cluster, folder: Path, *, values: Mapping[str, Any] | None = None) -> None:
    """Install the chart, or upgrade it to other values; returns when the operator is ready."""
    path = folder / "values.json"
    path.write_text(json.dumps({**_images(cluster), **(values or {})}), encoding="utf-8")
    options = [f"--namespace={NAMESPACE}", "--create-namespace", f"--values={path}", "--wait", "--timeout=180s"]
    cluster.helm("upgrade", "--install", NAME, str(CHART), *options)


def _images(cluster: Cluster) -> dict[str, Any]:
    if cluster.place is None:
        named = {"image": "HYBRID_E2E_OPERATOR_IMAGE", "servingImage": "HYBRID_E2E_SERVING_IMAGE"}
        return {key: image(os.environ[name]) for key, name in named.items() if name in os.environ}
    machine = {"repository": machine_image.REPOSITORY, "tag": machine_image.TAG}
    return {
        "image": {**machine, "pullPolicy": "Never"},
        "servingImage": machine,
        "extraVolumes": machine_mounts.volumes(),
        "extraVolumeMounts": machine_mounts.volume_mounts(),
        "resources": {"requests": {"cpu": "20m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
    }


def image(reference: str) -> dict[str, str]:
    """A reference as the chart's values have it."""
    repository, _, digest = reference.partition("@")
    if digest:
        return {"repository": repository, "digest": digest}
    repository, _, tag = reference.rpartition(":")
    return {"repository": repository, "tag": tag}
