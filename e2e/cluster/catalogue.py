"""The programs of a Kubernetes and its tools: which Go module each comes from, and in which version.

Programs need different versions of the modules that they share, hence one small go.mod each (Kubernetes' own programs
share one). Nothing here builds or runs anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

KUBERNETES = "v1.34.4"
KUBERAY = "v1.6.2"
_HELM = "v3.21.4"

_KUBERNETES_STAMP = {
    "k8s.io/component-base/version.gitVersion": KUBERNETES,
    "k8s.io/component-base/version.gitMajor": "1",
    "k8s.io/component-base/version.gitMinor": "34",
}
_HELM_STAMP = {
    "helm.sh/helm/v3/internal/version.version": _HELM,
    # Without these `helm template` renders for Kubernetes 1.20.
    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": "1",
    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": "34",
    "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor": "1",
    "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor": "34",
}


@dataclass(frozen=True, slots=True)
class Program:
    """One program and how it is built."""

    module: str
    """Folder of its go.mod."""
    package: str
    version: str
    stamp: Mapping[str, str] = field(default_factory=dict)
    """Variables that the linker sets."""


def _kubernetes(name: str) -> Program:
    return Program("kubernetes", f"k8s.io/kubernetes/cmd/{name}", KUBERNETES, stamp=_KUBERNETES_STAMP)


PROGRAMS: Mapping[str, Program] = {
    "etcd": Program("etcd", "go.etcd.io/etcd/server/v3", "v3.6.6"),
    "kube-apiserver": _kubernetes("kube-apiserver"),
    "kube-controller-manager": _kubernetes("kube-controller-manager"),
    "kube-scheduler": _kubernetes("kube-scheduler"),
    "kubelet": _kubernetes("kubelet"),
    "kube-proxy": _kubernetes("kube-proxy"),
    "kubectl": _kubernetes("kubectl"),
    "coredns": Program("coredns", "github.com/coredns/coredns", "v1.12.4"),
    "kuberay": Program("kuberay", "github.com/ray-project/kuberay/ray-operator", KUBERAY),
    "helm": Program("helm", "helm.sh/helm/v3/cmd/helm", _HELM, stamp=_HELM_STAMP),
    "kwok": Program("kwok", "sigs.k8s.io/kwok/cmd/kwok", "v0.8.0"),
    "kubeconform": Program("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", "v0.7.0"),
}

CONTROL_PLANE = ("etcd", "kube-apiserver")
"""What judges manifests; needs no root."""
CONTROLLERS = (*CONTROL_PLANE, "kube-controller-manager", "kube-scheduler")
"""What also collects garbage and schedules."""
NODE = (*CONTROLLERS, "kubelet", "kube-proxy", "coredns", "kuberay", "kubectl", "helm")
"""What a whole cluster with real pods needs."""
