"""The cheapest Kubernetes: etcd and an API server on loopback, for tests that need no pods.

It judges manifests, schemas, CEL and defaults as a real cluster does. There are no controllers, so nothing is
collected, scheduled or run. Ready in seconds; everything lives in the folder given and ends with the context.
"""

import base64
import secrets
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from kubernetes import client

from e2e.cluster import programs

_START_SECONDS = 120.0
_POLL_SECONDS = 0.1


class ControlPlaneError(RuntimeError):
    """A component did not start."""


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running API server and how to reach it."""

    url: str
    token: str
    """Of a user in `system:masters`."""
    certificate: Path
    """The server's certificate and its authority."""

    def client(self) -> client.ApiClient:
        """A client with every right."""
        configuration = client.Configuration(host=self.url)
        configuration.ssl_ca_cert = str(self.certificate)
        configuration.api_key = {"authorization": self.token}
        configuration.api_key_prefix = {"authorization": "Bearer"}
        return client.ApiClient(configuration)

    def kubeconfig(self) -> dict[str, object]:
        """The same for tools that read a kubeconfig."""
        authority = base64.b64encode(self.certificate.read_bytes()).decode()
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "e2e", "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": "admin", "user": {"token": self.token}}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "admin"}}],
            "current-context": "e2e",
        }


@contextmanager
def control_plane(folder: Path) -> Iterator[ControlPlane]:
    """Start etcd and an API server with their state in `folder`; stop both at the end."""
    store, peer, port = _free_ports(3)
    etcd, server = programs.provide("etcd"), programs.provide("kube-apiserver")
    plane = ControlPlane(
        url=f"https://127.0.0.1:{port}",
        token=secrets.token_urlsafe(24),
        certificate=folder / "certificates" / "apiserver.crt",
    )
    with ExitStack() as running:
        store_url = f"http://127.0.0.1:{store}"
        arguments = _etcd_arguments(folder / "etcd", url=store_url, peer=f"http://127.0.0.1:{peer}")
        running.enter_context(_running([str(etcd), *arguments], log=folder / "etcd.log"))
        arguments = _server_arguments(folder, store=store_url, port=port, token=plane.token)
        process = running.enter_context(_running([str(server), *arguments], log=folder / "kube-apiserver.log"))
        _wait_until_ready(plane, process=process, log=folder / "kube-apiserver.log")
        yield plane


def _etcd_arguments(folder: Path, *, url: str, peer: str) -> Sequence[str]:
    return [
        f"--data-dir={folder}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # its state is thrown away
    ]


def _server_arguments(folder: Path, *, store: str, port: int, token: str) -> Sequence[str]:
    key, tokens = folder / "service-accounts.pem", folder / "tokens.csv"
    private = ec.generate_private_key(ec.SECP256R1())
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    tokens.write_text(f'{token},admin,admin,"system:masters"\n', encoding="utf-8")
    for secret in (key, tokens):
        secret.chmod(0o600)
    return [
        f"--etcd-servers={store}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",  # do not search the host for another
        "--endpoint-reconciler-type=none",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'certificates'}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--disable-admission-plugins=ServiceAccount",  # no controller makes the default accounts
        "--profiling=false",
    ]


@contextmanager
def _running(command: Sequence[str], *, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_ready(plane: ControlPlane, *, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if _is_ready(plane):
            return
        time.sleep(_POLL_SECONDS)
    found = f"was not ready after {_START_SECONDS:.0f} s" if process.poll() is None else "ended"
    tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise ControlPlaneError(f"The API server {found}; the end of its log:\n{tail}")


def _is_ready(plane: ControlPlane) -> bool:
    if not plane.certificate.exists():
        return False
    request = urllib.request.Request(f"{plane.url}/readyz", headers={"Authorization": f"Bearer {plane.token}"})
    try:
        context = ssl.create_default_context(cafile=plane.certificate)
        with urllib.request.urlopen(request, context=context, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:  # refused, reset or not ready yet
        return False


def _free_ports(number: int) -> list[int]:
    """Ports that were free a moment ago."""
    with ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in found:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in found]
