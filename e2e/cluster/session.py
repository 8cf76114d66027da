"""The cluster of a test session: one of the reader's, or one that is started for it and taken away afterwards.

There is one cluster of ours on a machine at a time; a second session waits for the first.
"""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from e2e.cluster import processes, requirements
from e2e.cluster.catalogue import KUBERAY
from e2e.cluster.cluster import Cluster
from e2e.cluster.layout import LOCK
from e2e.cluster.requirements import NoClusterError
from e2e.cluster.sweep import sweep
from e2e.cluster.up import up


def is_the_readers() -> bool:
    """Whether `USE_EXISTING_CLUSTER` asks for the cluster of the kubeconfig's current context."""
    return os.environ.get("USE_EXISTING_CLUSTER", "").lower() in {"1", "true", "yes"}


@contextmanager
def cluster() -> Iterator[Cluster]:
    """The session's cluster; raises where this machine cannot have one."""
    if is_the_readers():
        yield _the_readers()
        return
    requirements.check()  # before the lock, which not everybody may open
    with alone(waits=True):
        try:
            yield up()
        finally:
            sweep()
            processes.reap()


def _the_readers() -> Cluster:
    path = Path(os.environ.get("KUBECONFIG", Path.home() / ".kube" / "config"))
    if not path.is_file():
        raise NoClusterError(f"`USE_EXISTING_CLUSTER` is set, and there is no file `{path}`; set `KUBECONFIG`.")
    found = Cluster(path)
    try:
        found.get("customresourcedefinition", "rayservices.ray.io")
    except processes.NotStartedError as error:
        missing = f"The cluster of `{path}` has no RayServices; install KubeRay {KUBERAY} or newer there."
        raise NoClusterError(f"{missing} {error}") from error
    return found


@contextmanager
def alone(*, waits: bool) -> Iterator[None]:
    """Have this machine's cluster to oneself."""
    with _open(LOCK) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not waits:
                raise processes.NotStartedError(
                    "A test session uses this machine's cluster; wait until it has ended."
                ) from None
            sys.stderr.write("Waiting for the cluster of another test session …\n")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _open(lock: Path) -> TextIO:
    try:
        return lock.open("w")
    except PermissionError as error:
        raise NoClusterError(f"`{lock}` cannot be opened: starting a cluster and taking one away need root.") from error
