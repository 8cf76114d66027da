"""Where the log lines of a replica go: where Ray Serve's own lines go, and to one file more as JSON.

Serve gives its handlers to a logger of its own only; without this, our lines below WARNING are lost. Ray keeps what
its workers write to standard error in files of the pod, so on Kubernetes the JSON goes to the container's own standard
error, `/proc/1/fd/2`, and `kubectl logs` shows it. Prompts and keys never reach a log.
"""

import json
import logging
import os
import traceback
from datetime import UTC, datetime
from pathlib import Path

VARIABLE = "HYBRID_LOG_PATH"

_OURS = "hybrid_serving"
_SERVE = "ray.serve"


class JsonLines(logging.Formatter):
    """A record as one JSON object on one line; `source` says which replica wrote it."""

    def __init__(self, *, source: str) -> None:
        super().__init__()
        self._source = source

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "source": self._source,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def join_serve(*, source: str) -> None:
    """Hang our logger below Serve's, whose level and handlers hold for ours too; add the JSON where it is wanted."""
    serve = logging.getLogger(_SERVE)
    logging.getLogger(_OURS).parent = serve
    if path := os.environ.get(VARIABLE):
        try:
            serve.addHandler(_handler(Path(path), source=source))
        except OSError as error:  # a replica without that log is worth more than none
            serve.warning("No log lines go to `%s`, which %s names: %s", path, VARIABLE, error)


def _handler(path: Path, *, source: str) -> logging.Handler:
    handler = logging.FileHandler(path, mode="a", encoding="utf-8")
    handler.setFormatter(JsonLines(source=source))
    return handler
