"""An image written by hand: a static busybox and mount points, nothing to download and nothing to build.

It is the sandbox of every pod, and the root of test pods that mount this machine's own programs (`machine_mounts`).
"""

import hashlib
import io
import json
import platform
import shutil
import sys
import tarfile
from pathlib import Path

REPOSITORY, TAG = "localhost/hybrid-diffusion/machine", "e2e"
NAME = f"{REPOSITORY}:{TAG}"
BYTECODE = "/var/cache/bytecode"
"""Where Python keeps what it compiled; images have that beside the sources."""
_USERS = "root:x:0:0:root:/tmp:/bin/sh\nhybrid:x:10001:10001:hybrid:/tmp:/bin/sh\n"
_GROUPS = "root:x:0:\nhybrid:x:10001:\n"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write(archive: Path) -> None:
    """The image in the format of `docker save`."""
    layer = _layer()
    configuration = json.dumps(_configuration(layer)).encode()
    manifest = [{"Config": "config.json", "RepoTags": [NAME], "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as tar:
        _add(tar, "layer.tar", layer)
        _add(tar, "config.json", configuration)
        _add(tar, "manifest.json", json.dumps(manifest).encode())


def _layer() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        _add(tar, "bin/busybox", Path(shutil.which("busybox") or "/bin/busybox").read_bytes(), mode=0o755)
        _add(tar, "etc/passwd", _USERS.encode())
        _add(tar, "etc/group", _GROUPS.encode())
        for name, mode in (("tmp", 0o1777), ("var/tmp", 0o1777), ("etc/hybrid-diffusion", 0o755)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            tar.addfile(folder)
    return packed.getvalue()


def _configuration(layer: bytes) -> dict[str, object]:
    return {
        "architecture": _ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {
            "Env": [
                f"PATH={sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
                "HOME=/tmp",
                "LANG=C.UTF-8",
                f"PYTHONPYCACHEPREFIX={BYTECODE}",
            ],
            "Cmd": ["/bin/busybox", "sleep", "2000000000"],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }


def _add(tar: tarfile.TarFile, name: str, content: bytes, *, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))
