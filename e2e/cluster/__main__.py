"""`python -m e2e.cluster up` starts a Kubernetes with KubeRay on this machine; `down` leaves nothing of it."""

import sys
import time

from e2e.cluster import kuberay, processes, programs, requirements, session
from e2e.cluster.layout import KUBECONFIG
from e2e.cluster.sweep import sweep
from e2e.cluster.up import up

_USAGE = "usage: python -m e2e.cluster up|down\n"


def main(arguments: list[str]) -> int:
    """The exit code."""
    if arguments not in (["up"], ["down"]):
        sys.stderr.write(_USAGE)
        return 2
    try:
        with session.alone(waits=False):
            _down() if arguments == ["down"] else _up()
    except (processes.NotStartedError, programs.ProgramMissingError, requirements.NoClusterError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _up() -> None:
    started = time.monotonic()
    cluster = up()
    kuberay.install_resources(cluster)
    kuberay.start_process(cluster)
    sys.stderr.write(
        f"Ready after {time.monotonic() - started:.0f} s. In every shell: export KUBECONFIG={KUBECONFIG}\n"
    )
    sys.stdout.write(f"{KUBECONFIG}\n")


def _down() -> None:
    sweep()
    sys.stderr.write("Stopped; nothing is left.\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
