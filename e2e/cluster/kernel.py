"""Settings of the machine's kernel that a kubelet changes without asking: kept before, put back afterwards."""

import json
from pathlib import Path

_SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
_ROOT = Path("/proc/sys")


def keep(record: Path) -> None:
    """Remember the settings."""
    found = {name: (_ROOT / name).read_text() for name in _SETTINGS if (_ROOT / name).exists()}
    record.write_text(json.dumps(found), encoding="utf-8")


def restore(record: Path) -> None:
    """Put back what differs."""
    if not record.exists():
        return
    for name, value in json.loads(record.read_text(encoding="utf-8")).items():
        if (_ROOT / name).read_text() != value:
            (_ROOT / name).write_text(value)
