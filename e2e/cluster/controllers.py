"""The controller manager and the scheduler: what turns stored objects into other objects.

Only their commands; whoever wants them starts them. There is one of each, so none elects a leader.
"""

from e2e.cluster import programs
from e2e.cluster.api_server import ApiServer


def manager_command(server: ApiServer) -> list[str]:
    """Collects garbage, makes service accounts, ReplicaSets, Jobs, EndpointSlices."""
    return [
        str(programs.provide("kube-controller-manager")),
        f"--kubeconfig={server.kubeconfig('kube-controller-manager')}",
        f"--root-ca-file={server.certificate}",
        f"--service-account-private-key-file={server.account_key}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--secure-port=0",
        f"--flex-volume-plugin-dir={server.place.folder / 'volume-plugins'}",  # it makes the folder, wherever that is
        "--controllers=*,-nodeipam,-route,-service-lb-controller,-cloud-node-lifecycle-controller",
    ]


def scheduler_command(server: ApiServer) -> list[str]:
    """Gives pods their node."""
    kubeconfig = server.kubeconfig("kube-scheduler")
    program = str(programs.provide("kube-scheduler"))
    return [program, f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0"]
