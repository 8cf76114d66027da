"""etcd and an API server: their files, their arguments, and when they are ready.

The same for the control plane on loopback and for the one in a namespace; starting and stopping is their caller's.
"""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from e2e.cluster import processes, programs
from e2e.cluster.access import Access, make_tokens

SERVICES = "10.96.0.0/16"
_START_SECONDS = 120.0
_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the store and the server listen; the defaults suit a namespace of their own."""

    store: int = 2379
    peer: int = 2380
    server: int = 16443


@dataclass(frozen=True, slots=True)
class ApiServer:
    """One API server and its store, as `prepare` made their files."""

    place: processes.Place
    ports: Ports
    tokens: Mapping[str, str]
    """The token of every component."""
    address: str
    """Where other components reach it."""
    runs_controllers: bool
    """Without controllers nobody makes the service accounts that admission would wait for."""

    @property
    def certificate(self) -> Path:
        return self.place.folder / "certificates" / "apiserver.crt"

    @property
    def account_key(self) -> Path:
        return self.place.folder / "service-accounts.pem"

    @property
    def audit_log(self) -> Path:
        return self.place.folder / "audit.log"

    def access(self, user: str, *, url: str | None = None) -> Access:
        """How a component reaches it."""
        url = url or f"https://{self.address}:{self.ports.server}"
        return Access(url=url, token=self.tokens[user], certificate=self.certificate)

    def kubeconfig(self, user: str) -> Path:
        """A component's kubeconfig as a file."""
        return self.access(user).write(self.place.folder / f"{user}.kubeconfig")

    def wait(self, seen: Access, *, process: "subprocess.Popen[bytes]") -> None:
        """Return when it is ready."""
        log = self.place.log("kube-apiserver")
        processes.wait_until(seen.is_ready, seconds=_START_SECONDS, what="The API server", process=process, log=log)

    def etcd_command(self) -> list[str]:
        url, peer = f"http://127.0.0.1:{self.ports.store}", f"http://127.0.0.1:{self.ports.peer}"
        return [
            str(programs.provide("etcd")),
            f"--data-dir={self.place.folder / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",  # its state is thrown away
        ]

    def command(self) -> list[str]:
        folder = self.place.folder
        is_private = self.address == "127.0.0.1"
        return [
            str(programs.provide("kube-apiserver")),
            f"--etcd-servers=http://127.0.0.1:{self.ports.store}",
            f"--bind-address={'127.0.0.1' if is_private else '0.0.0.0'}",
            f"--advertise-address={self.address}",  # do not search the host for another
            f"--endpoint-reconciler-type={'none' if is_private else 'master-count'}",
            f"--secure-port={self.ports.server}",
            f"--cert-dir={folder / 'certificates'}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged",
            f"--service-cluster-ip-range={SERVICES}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.account_key}",
            f"--service-account-signing-key-file={self.account_key}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--audit-policy-file={folder / 'audit-policy.json'}",
            f"--audit-log-path={self.audit_log}",
            "--profiling=false",
            *([] if self.runs_controllers else ["--disable-admission-plugins=ServiceAccount"]),
        ]


def prepare(
    place: processes.Place, *, ports: Ports, address: str = "127.0.0.1", runs_controllers: bool = True
) -> ApiServer:
    """Write the files that a store and a server need."""
    folder = place.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "audit-policy.json").write_text(json.dumps(_POLICY), encoding="utf-8")
    tokens = make_tokens(folder / "tokens.csv")
    server = ApiServer(place, ports=ports, tokens=tokens, address=address, runs_controllers=runs_controllers)
    private = ec.generate_private_key(ec.SECP256R1())
    server.account_key.touch(mode=0o600)
    server.account_key.write_bytes(
        private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    return server
