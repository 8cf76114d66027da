"""Where compiled engines are kept. It must not create the folder."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """`HYBRID_ENGINE_CACHE`, or the user's cache folder."""
    configured = os.environ.get("HYBRID_ENGINE_CACHE")
    return Path(configured) if configured else Path.home() / ".cache" / "hybrid-diffusion" / "engines"
