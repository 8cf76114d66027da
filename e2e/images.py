"""Images of our Dockerfiles, built without a registry: a base from Debian's packages, the rest by buildah.

The base goes by the name that the Dockerfiles start from, so they are built as they stand. It holds this machine's
certificates, for machines whose way out is a proxy of their own.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from e2e.cluster import processes, programs

BASE = "docker.io/library/debian:bookworm-slim"
_ROOT = Path(__file__).parents[1]
_CERTIFICATES = Path("/usr/local/share/ca-certificates")
_TOOLS = {"buildah": "buildah", "debootstrap": "debootstrap"}


class NoBuilderError(RuntimeError):
    """This machine cannot build images."""


def check() -> None:
    """Raise where something is missing."""
    if missing := [package for program, package in _TOOLS.items() if shutil.which(program) is None]:
        raise NoBuilderError(f"No image can be built here: call `apt-get install {' '.join(missing)}`.")


def build(name: str) -> tuple[str, Path]:
    """The image of `images/NAME/Dockerfile`: its reference, and an archive of it."""
    check()
    started = time.monotonic()
    if not _buildah("images", "--quiet", "--filter", f"reference={BASE}").strip():
        _make_base()
    reference = f"localhost/hybrid-diffusion/{name}:e2e"
    dockerfile = _ROOT / "images" / name / "Dockerfile"
    options = ["--isolation=chroot", "--layers", f"--ignorefile={dockerfile}.dockerignore", "--pull-never"]
    _buildah("rm", "--all")  # what an interrupted build left
    _buildah("build", *options, f"--file={dockerfile}", f"--tag={reference}", str(_ROOT), shows=True)
    _buildah("rmi", "--prune", "--force")  # gigabytes a build, which the next one cannot use
    archive = _folder() / f"{name}.tar"
    archive.unlink(missing_ok=True)
    _buildah("push", reference, f"docker-archive:{archive}:{reference}")
    sys.stderr.write(f"Built {reference} in {time.monotonic() - started:.0f} s.\n")
    return reference, archive


def _make_base() -> None:
    """Debian's smallest system, as an image of one layer."""
    with tempfile.TemporaryDirectory(dir=_folder()) as folder:
        system = Path(folder) / "system"
        processes.call(["debootstrap", "--variant=minbase", "bookworm", str(system)])
        _forget_packages(system)
        if _CERTIFICATES.exists():
            shutil.copytree(_CERTIFICATES, system / "usr/local/share/ca-certificates", dirs_exist_ok=True)
        container = _buildah("from", "scratch").strip()
        _buildah("add", "--quiet", container, str(system), "/")
        _buildah("config", "--cmd", "bash", container)
        _buildah("commit", "--quiet", "--rm", container, BASE)


def _forget_packages(system: Path) -> None:
    """As the published image does: neither lists nor caches of packages, now or after an installation."""
    for folder in ("var/lib/apt/lists", "var/cache/apt"):
        shutil.rmtree(system / folder)
    (system / "var/lib/apt/lists/partial").mkdir(parents=True)
    (system / "var/cache/apt/archives/partial").mkdir(parents=True)
    clean = system / "etc/apt/apt.conf.d/docker-clean"
    clean.write_text(
        'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };\n'
        'Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";\n'
    )


def _folder() -> Path:
    folder = programs.cache().parent / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _buildah(*arguments: str, shows: bool = False) -> str:
    storage = [f"--root={_folder() / 'storage'}", f"--runroot={_folder() / 'run'}", "--storage-driver=overlay"]
    command: Sequence[str] = ["buildah", *storage, *arguments]
    if not shows:
        return processes.call(command)
    ended = subprocess.run(command, stdout=sys.stderr, check=False)
    if ended.returncode:
        raise NoBuilderError(f"`{' '.join(command)}` ended with code {ended.returncode}; its output is above.")
    return ""


if __name__ == "__main__":
    for each in sys.argv[1:] or ("operator", "serving"):
        sys.stdout.write(f"{build(each)[0]}\n")
