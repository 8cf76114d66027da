"""A running cluster as tests and people see it: kubectl, a client, and a way to a Service.

The same for a cluster that `e2e.cluster` started and for one of the reader's (`USE_EXISTING_CLUSTER=true`).
"""

import json
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client, config

from e2e.cluster import processes, programs

Manifest = dict[str, Any]

_FORWARD_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster, with every right."""

    kubeconfig: Path
    place: processes.Place | None = None
    """Where its processes run; `None` where it is not ours."""

    def client(self) -> client.ApiClient:
        """The official client."""
        connection: client.ApiClient = config.new_client_from_config(str(self.kubeconfig))  # type: ignore[no-untyped-call]  # the library has no types here
        return connection

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl; what it prints."""
        return processes.call([str(programs.provide("kubectl")), *self._options(), *arguments], given=given)

    def get(self, *arguments: str) -> Any:
        """`kubectl get` as an object."""
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def apply(self, manifests: Sequence[Manifest], *options: str) -> str:
        """Apply manifests from the server's side, by a field manager of our own."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        default = ["--server-side", "--field-manager=e2e"]
        return self.kubectl("apply", *default, *options, "--filename=-", given=json.dumps(listed))

    def helm(self, *arguments: str) -> str:
        """Run Helm; what it prints."""
        return processes.call([str(programs.provide("helm")), *self._options(), *arguments])

    @contextmanager
    def reach(self, service: str, *, namespace: str, port: int) -> Iterator[str]:
        """A URL of the machine's loopback that leads to a Service.

        On a cluster of ours every connection is balanced as a pod's would be; on another one kubectl forwards all of
        them to one pod of the Service.
        """
        if self.place is None:
            with self._forwarded_by_kubectl(service, namespace=namespace, port=port) as found:
                yield f"http://127.0.0.1:{found}"
            return
        address = self.get("service", service, f"--namespace={namespace}")["spec"]["clusterIP"]
        process, found = start_forwarding(self.place, name=f"forward-{service}", host=address, port=port)
        try:
            yield f"http://127.0.0.1:{found}"
        finally:
            processes.stop(process)

    @contextmanager
    def _forwarded_by_kubectl(self, service: str, *, namespace: str, port: int) -> Iterator[int]:
        command = [str(programs.provide("kubectl")), *self._options(), f"--namespace={namespace}", "port-forward"]
        with tempfile.TemporaryDirectory() as folder:
            # Into a file: it says something of every connection, and would stop at a pipe that nobody empties.
            place, name = processes.Place(Path(folder)), "port-forward"
            with processes.running(name, [*command, f"service/{service}", f":{port}"], place=place) as process:
                log = place.log(name)
                what = f"The way to Service `{service}`"
                seconds = _FORWARD_SECONDS
                processes.wait_until(lambda: bool(_port(log)), seconds=seconds, what=what, process=process, log=log)
                yield _port(log)

    def _options(self) -> list[str]:
        return [f"--kubeconfig={self.kubeconfig}"]


def _port(log: Path) -> int:
    """The port that kubectl says it listens at; 0 as long as it does not."""
    found = re.search(r"^Forwarding from 127\.0\.0\.1:(\d+)", log.read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def start_forwarding(
    place: processes.Place, *, name: str, host: str, port: int
) -> tuple["subprocess.Popen[bytes]", int]:
    """A process in the cluster's namespace behind a port of the machine's loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        descriptor = listening.fileno()
        script = str(Path(__file__).with_name("forward.py"))
        command = [sys.executable, script, str(descriptor), host, str(port)]
        process = processes.start(name, command, place=place, descriptors=[descriptor])
        return process, listening.getsockname()[1]
