"""Cluster DNS: CoreDNS beside the node's own programs, reached through the Service that pods expect.

Outside any pod, so pods have names before there is an image.
"""

from typing import Any

from e2e.cluster import network, node, programs
from e2e.cluster.api_server import ApiServer

_PORT = 1053
_READY_PORT = 8181
_COREFILE = """\
.:{port} {{
    bind {address}
    errors
    ready {address}:{ready}
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
        ttl 5
    }}
}}
"""


def command(server: ApiServer) -> list[str]:
    """CoreDNS' command, once its file is written."""
    corefile = server.place.folder / "Corefile"
    kubeconfig = server.kubeconfig("admin")
    text = _COREFILE.format(port=_PORT, address=network.NODE, ready=_READY_PORT, kubeconfig=kubeconfig)
    corefile.write_text(text, encoding="utf-8")
    return [str(programs.provide("coredns")), f"-conf={corefile}"]


def manifests() -> list[dict[str, Any]]:
    """The Service `kube-dns` and the endpoint behind it."""
    transports = [("dns", "UDP"), ("dns-tcp", "TCP")]
    metadata = {"namespace": "kube-system", "name": "kube-dns"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "clusterIP": node.DNS,
            "ports": [
                {"name": name, "protocol": protocol, "port": 53, "targetPort": _PORT} for name, protocol in transports
            ],
        },
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**metadata, "labels": {"kubernetes.io/service-name": "kube-dns"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [network.NODE], "conditions": {"ready": True}}],
        "ports": [{"name": name, "protocol": protocol, "port": _PORT} for name, protocol in transports],
    }
    return [service, endpoints]
