"""This machine's programs in pods: the tests' interpreter, its packages and this project, as volumes and mounts.

Read-only, but for a folder of bytecode that pods share, since their sources are mounted without theirs. They go into
pods through the ordinary knobs of the chart and the resource.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from e2e.cluster import machine_image
from e2e.cluster.programs import cache

_PROJECT = Path(__file__).parents[2]
_BYTECODE = cache().parent / "bytecode"


def prepare() -> None:
    """Make the folder of bytecode; pods of any user write to it."""
    _BYTECODE.mkdir(parents=True, exist_ok=True)
    _BYTECODE.chmod(0o1777)


def volumes() -> list[dict[str, Any]]:
    """The `volumes` of a pod."""
    paths = [*_folders(), _BYTECODE]
    return [{"name": f"machine-{number}", "hostPath": {"path": str(path)}} for number, path in enumerate(paths)]


def volume_mounts() -> list[dict[str, Any]]:
    """The `volumeMounts` of a container in such a pod."""
    read_only = [
        {"name": f"machine-{number}", "mountPath": str(path), "readOnly": True}
        for number, path in enumerate(_folders())
    ]
    return [*read_only, {"name": f"machine-{len(read_only)}", "mountPath": machine_image.BYTECODE}]


def _folders() -> Sequence[Path]:
    """What a place to run Python in consists of; links are where images expect folders."""
    system = [Path(each) for each in ("/usr", "/bin", "/lib", "/lib64", "/etc/ssl") if Path(each).exists()]
    ours = [Path(sys.base_prefix), Path(sys.prefix), _PROJECT]
    return [each for each in [*system, *ours] if not any(above in each.parents for above in [*system, *ours])]
