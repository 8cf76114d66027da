"""Where compiled engines are kept. It must not create the folder."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """`HYBRID_ENGINE_CACHE`, or a folder in the user's cache: an absolute `XDG_CACHE_HOME`, or `~/.cache`."""
    configured = os.environ.get("HYBRID_ENGINE_CACHE")
    if configured:
        return Path(configured)
    home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (home if home.is_absolute() else Path.home() / ".cache") / "hybrid-diffusion" / "engines"
