"""The environment of every Ray container: speed flags, log lines, and where mounted files and engines lie.

Constants only, and no secret: the two that Ray itself needs are injected by KubeRay.
"""

from typing import Any

MOUNT_PATH = "/etc/hybrid-diffusion"
ENGINE_CACHE_PATH = "/var/cache/hybrid-diffusion/engines"

_VARIABLES = {
    "HYBRID_ENGINE_CACHE": ENGINE_CACHE_PATH,
    # The container's own standard error, for `kubectl logs`; Ray keeps what its workers write there in files.
    "HYBRID_LOG_PATH": "/proc/1/fd/2",
    "HYBRID_MOUNT_PATH": MOUNT_PATH,
    # Ten times the requests a second of Serve's own proxy, at a tenth of the latency.
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    # The bundle above turns standard error off, and holds a thousand lines back that are lost when a replica ends.
    "RAY_SERVE_LOG_TO_STDERR": "1",
    "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1",
    # Of an upload that stalls; by default it could hold its connection for an hour.
    "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": "120",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "hybrid_serving.cloud.ingress.proxy:middlewares",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Workers at Ray's usual niceness of 15 lose the processor to everything else on the node.
    "RAY_worker_niceness": "0",
}


def draining(seconds: int) -> dict[str, Any]:
    """How long Ray goes on after it was told to end, for requests that are being answered."""
    return {"name": "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S", "value": str(seconds)}


def variables() -> list[dict[str, Any]]:
    """As a container wants them."""
    return [{"name": name, "value": value} for name, value in _VARIABLES.items()]
