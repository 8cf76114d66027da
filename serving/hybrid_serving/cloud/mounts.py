"""Where mounted files are: one folder with a folder for each purpose, in pods and on one machine alike."""

from collections.abc import Mapping
from pathlib import Path

VARIABLE = "HYBRID_MOUNT_PATH"
DEFAULT = "/etc/hybrid-diffusion"


def folder(environment: Mapping[str, str]) -> Path:
    """The folder of all mounts."""
    return Path(environment.get(VARIABLE, DEFAULT))
