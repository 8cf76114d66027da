"""The child process that is the local Ray: starts a head, says so on stdout, and lives until its stdin closes.

Run as `python -m hybrid_serving.cli.head`. The pipe is the leash: when the parent dies, however it dies, Ray goes too.
Must not deploy anything; the parent does that over the REST API, like any cluster.
"""

import argparse
import json
import sys
from pathlib import Path

from hybrid_serving.cli.ray_environment import ERROR, LOOPBACK, READY

_LOGICAL_CPUS = 64
"""Ray's bookkeeping only: replicas are placed by it, and a small machine must not turn any of them away."""


def main() -> None:
    """Start Ray with what the command line says and hold it."""
    options = _options()
    try:
        _start(options)
    except Exception as error:  # noqa: BLE001  # the outermost border of this process
        _say(ERROR, " ".join(str(error).split())[-500:] or type(error).__name__)
        sys.exit(1)
    _say(READY, "")
    sys.stdin.read()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hybrid_serving.cli.head")
    parser.add_argument("--dashboard-port", type=int, required=True)
    parser.add_argument("--session-folder", type=Path, required=True)
    return parser.parse_args()


def _start(options: argparse.Namespace) -> None:
    import ray  # noqa: PLC0415  # a second, and only this process needs it

    ray.init(
        address="local",  # never join a Ray that already runs on this machine
        num_cpus=_LOGICAL_CPUS,
        object_store_memory=256 * 2**20,
        include_dashboard=True,
        dashboard_host=LOOPBACK,
        dashboard_port=options.dashboard_port,
        log_to_driver=False,
        configure_logging=False,
        _node_ip_address=LOOPBACK,
        _temp_dir=str(options.session_folder),
    )


def _say(event: str, message: str) -> None:
    sys.stdout.write(json.dumps({"event": event, "message": message}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
