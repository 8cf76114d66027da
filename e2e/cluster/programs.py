"""The programs of a control plane: found where the environment says, else built from Go modules and kept in a cache.

`TEST_ASSET_<NAME>` and `KUBEBUILDER_ASSETS` win, as everywhere in the Kubernetes world. Nothing is downloaded but Go
modules, nothing is written into the repository.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_MODULES = Path(__file__).parent / "binaries"
_KUBERNETES = "v1.34.4"
_STAMP = "k8s.io/component-base/version"


class ProgramMissingError(RuntimeError):
    """Neither a program nor the means to build it."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program and how it is built. Each needs its own versions of shared modules, hence its own go.mod."""

    module: str
    """Folder of its go.mod."""
    package: str
    version: str
    stamp: Mapping[str, str]
    """Variables that the linker sets."""


PROGRAMS: Mapping[str, Program] = {
    "etcd": Program(module="etcd", package="go.etcd.io/etcd/server/v3", version="v3.6.6", stamp={}),
    "kube-apiserver": Program(
        module="kubernetes",
        package="k8s.io/kubernetes/cmd/kube-apiserver",
        version=_KUBERNETES,
        stamp={f"{_STAMP}.gitVersion": _KUBERNETES, f"{_STAMP}.gitMajor": "1", f"{_STAMP}.gitMinor": "34"},
    ),
}


def provide(name: str) -> Path:
    """The executable of that name, built first if need be (minutes, once for each version)."""
    if found := _given(name) or _cached(name):
        return found
    if shutil.which("go") is None:
        raise ProgramMissingError(
            f"Found neither `{name}` nor Go to build it with; install Go 1.24 or newer, or set KUBEBUILDER_ASSETS to a "
            f"folder with {' and '.join(f'`{each}`' for each in PROGRAMS)}."
        )
    with _lock(_cache() / f"{name}.lock"):
        return _cached(name) or _build(name)


def _given(name: str) -> Path | None:
    """What the environment names; naming something that is not there is an error, not a reason to build."""
    variable = "TEST_ASSET_" + name.upper().replace("-", "_")
    path = os.environ.get(variable)
    if path is None and (folder := os.environ.get("KUBEBUILDER_ASSETS")):
        variable, path = "KUBEBUILDER_ASSETS", f"{folder}/{name}"
    if path is None:
        return None
    if not os.access(path, os.X_OK):
        raise ProgramMissingError(f"{variable} points at `{path}`, which is no program; correct it or unset it.")
    return Path(path)


def _cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "hybrid-diffusion" / "programs"


def _target(name: str) -> Path:
    return _cache() / f"{name}-{PROGRAMS[name].version}"


def _cached(name: str) -> Path | None:
    return _target(name) if _target(name).exists() else None


def _build(name: str) -> Path:
    program, target = PROGRAMS[name], _target(name)
    unfinished = target.with_suffix(".unfinished")
    sys.stderr.write(f"Building {name} {program.version} into {target.parent} (minutes, only once) …\n")
    started = time.monotonic()
    built = subprocess.run(
        _command(program, output=unfinished),
        cwd=_MODULES / program.module,
        env=os.environ | {"CGO_ENABLED": "0"},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if built.returncode:
        raise ProgramMissingError(f"`go build` of {name} failed:\n{built.stderr[-2000:]}")
    unfinished.rename(target)
    sys.stderr.write(f"Built {name} in {time.monotonic() - started:.0f} s.\n")
    return target


def _command(program: Program, *, output: Path) -> Sequence[str]:
    stamps = " ".join(f"-X {variable}={value}" for variable, value in program.stamp.items())
    return ["go", "build", "-trimpath", "-ldflags", f"-s -w {stamps}", "-o", str(output), program.package]


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Two test runs at once build only once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
