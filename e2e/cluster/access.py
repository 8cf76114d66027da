"""How to reach an API server: its address, a token, and both in the forms that programs read.

Tokens instead of client certificates: the server reads them from one file, and every component is a line in it.
"""

import base64
import json
import secrets
import ssl
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client

_USERS = {
    "admin": ("admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kube-proxy": ("system:kube-proxy", ""),
    "kubelet": ("system:node:e2e", "system:nodes"),
}
"""The line of each component: user and group."""


@dataclass(frozen=True, slots=True)
class Access:
    """A user of a running API server."""

    url: str
    token: str
    certificate: Path
    """The server's certificate and its authority."""

    def client(self) -> client.ApiClient:
        """A client with the rights of this user."""
        configuration = client.Configuration(host=self.url)
        configuration.ssl_ca_cert = str(self.certificate)
        configuration.api_key = {"authorization": self.token}
        configuration.api_key_prefix = {"authorization": "Bearer"}
        return client.ApiClient(configuration)

    def kubeconfig(self) -> dict[str, Any]:
        """The same for tools that read a kubeconfig."""
        authority = base64.b64encode(self.certificate.read_bytes()).decode()
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "e2e", "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": "e2e", "user": {"token": self.token}}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
            "current-context": "e2e",
        }

    def write(self, path: Path) -> Path:
        """The kubeconfig as a file; JSON is YAML."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(self.kubeconfig()), encoding="utf-8")
        return path

    def is_ready(self) -> bool:
        """Whether the server answers and says that it is ready."""
        if not self.certificate.exists():
            return False
        request = urllib.request.Request(f"{self.url}/readyz", headers={"Authorization": f"Bearer {self.token}"})
        try:
            context = ssl.create_default_context(cafile=self.certificate)
            with urllib.request.urlopen(request, context=context, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:  # refused, reset or not ready yet
            return False


def make_tokens(path: Path) -> dict[str, str]:
    """Write the server's token file, readable by its owner only; returns the token of every component."""
    tokens = {name: secrets.token_urlsafe(24) for name in _USERS}
    lines = [f'{tokens[name]},{user},{name},"{group}"' for name, (user, group) in _USERS.items()]
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tokens
