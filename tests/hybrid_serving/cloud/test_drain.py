import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from hybrid_serving.cloud import drain

WAIT = 30.0


def status(state: str) -> dict[str, object]:
    replicas = [{"replica_id": "mine", "state": state}, {"replica_id": "other", "state": "STOPPING"}]
    return {"applications": {"shapes": {"deployments": {"large": {"replicas": replicas}}}}}


def test_the_state_is_that_of_this_replica() -> None:
    assert drain.state_of(status("RUNNING"), "mine") == "RUNNING"
    assert drain.state_of(status("RUNNING"), "unknown") is None
    assert drain.state_of({}, "mine") is None


def test_a_drain_is_told_once_whatever_was_read_before() -> None:
    answers = iter([OSError("head is away"), ValueError("no JSON"), status("RUNNING"), status("STOPPING")])
    drained = threading.Event()
    told = []

    def read() -> dict[str, object]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def on_drain() -> None:
        told.append(1)
        drained.set()

    watch = drain.DrainWatch(read, replica_id="mine", on_drain=on_drain, period_seconds=0.001)
    watch.start()
    assert drained.wait(WAIT)
    watch.join()
    assert told == [1]


def test_a_stopped_watch_tells_nothing() -> None:
    looked = threading.Event()

    def read() -> dict[str, object]:
        looked.set()
        return status("RUNNING")

    watch = drain.DrainWatch(read, replica_id="mine", on_drain=pytest.fail, period_seconds=0.001)
    watch.start()
    assert looked.wait(WAIT)
    watch.stop()
    watch.join()


@pytest.fixture
def dashboard() -> Iterator[HTTPServer]:
    """Answers the status to whoever has the token."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = self.headers["Authorization"] == "Bearer t" and self.path == "/api/serve/applications/"
            body = json.dumps(status("STOPPING")).encode()
            self.send_response(200 if is_known else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_the_status_is_read_with_the_token(dashboard) -> None:
    url = f"http://127.0.0.1:{dashboard.server_port}"
    found = drain.read_status(url, headers={"Authorization": "Bearer t"})
    assert drain.state_of(found, "mine") == "STOPPING"


def test_a_refused_token_is_an_os_error_which_the_watch_survives(dashboard) -> None:
    with pytest.raises(OSError, match="401"):
        drain.read_status(f"http://127.0.0.1:{dashboard.server_port}", headers={})


@pytest.fixture
def torn_dashboard() -> Iterator[HTTPServer]:
    """Tears its first answers, each in another place, and answers from then on."""
    body = json.dumps(status("STOPPING")).encode()
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    answers = iter([whole[:-10], b"no status line\r\n\r\n", whole[:20]])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(next(answers, whole))
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_drain_is_seen_after_answers_that_were_torn(torn_dashboard) -> None:
    drained = threading.Event()
    url = f"http://127.0.0.1:{torn_dashboard.server_port}"
    watch = drain.DrainWatch(
        lambda: drain.read_status(url, headers={}), replica_id="mine", on_drain=drained.set, period_seconds=0.001
    )
    watch.start()
    watch.join()
    assert drained.is_set()
