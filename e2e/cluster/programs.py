"""Programs of `catalogue`: found where the environment says, else built from Go modules and kept in a cache.

`TEST_ASSET_<NAME>` and `KUBEBUILDER_ASSETS` win, as everywhere in the Kubernetes world. Nothing is downloaded but Go
modules, nothing is written into the repository.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from e2e.cluster.catalogue import CONTROL_PLANE, PROGRAMS, Program

_MODULES = Path(__file__).parent / "binaries"
_ENVTEST = (*CONTROL_PLANE, "kubectl")
"""What a folder named by `KUBEBUILDER_ASSETS` holds by convention; other programs may lie there or not."""


class ProgramMissingError(RuntimeError):
    """Neither a program nor the means to build it."""


def provide(name: str) -> Path:
    """The executable of that name, built first if need be (minutes, once for each version)."""
    if found := _given(name) or _cached(name):
        return found
    if shutil.which("go") is None:
        raise ProgramMissingError(
            f"Found neither `{name}` nor Go to build it with; install Go 1.26 or newer, or set KUBEBUILDER_ASSETS to a "
            f"folder with {' and '.join(f'`{each}`' for each in dict.fromkeys((*CONTROL_PLANE, name)))}."
        )
    with _lock(cache() / f"{name}.lock"):
        return _cached(name) or _build(name)


def module_folder(name: str) -> Path:
    """Where the sources of a program's own module lie: KubeRay keeps its definitions there, KWOK its stages."""
    program = PROGRAMS[name]
    command = ["go", "list", "-mod=mod", "-find", "-f", "{{.Module.Dir}}", program.package]
    listed = subprocess.run(command, cwd=_MODULES / program.module, capture_output=True, text=True, check=False)
    if listed.returncode or not listed.stdout.strip():
        raise ProgramMissingError(f"`go list` does not find the sources of {name}:\n{listed.stderr[-2000:]}")
    return Path(listed.stdout.strip())


def cache() -> Path:
    """The user's cache of programs."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "hybrid-diffusion" / "programs"


def _given(name: str) -> Path | None:
    """What the environment names; naming something that is not there is an error, not a reason to build."""
    variable = "TEST_ASSET_" + name.upper().replace("-", "_")
    path = os.environ.get(variable)
    if path is None and (folder := os.environ.get("KUBEBUILDER_ASSETS")):
        variable, path = "KUBEBUILDER_ASSETS", f"{folder}/{name}"
        if name not in _ENVTEST and not os.access(path, os.X_OK):
            return None
    if path is None:
        return None
    if not os.access(path, os.X_OK):
        raise ProgramMissingError(f"{variable} points at `{path}`, which is no program; correct it or unset it.")
    return Path(path)


def _target(name: str) -> Path:
    return cache() / f"{name}-{PROGRAMS[name].version}"


def _cached(name: str) -> Path | None:
    return _target(name) if _target(name).exists() else None


def _build(name: str) -> Path:
    program, target = PROGRAMS[name], _target(name)
    unfinished = target.with_name(f"{target.name}.unfinished")
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


if __name__ == "__main__":
    for each in sys.argv[1:] or PROGRAMS:
        sys.stdout.write(f"{provide(each)}\n")
