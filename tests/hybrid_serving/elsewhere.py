"""Another process for the law: finishes every handoff in a folder. Also a network for tests, nonlinear in x and level.

Run as `python elsewhere.py FOLDER`; the folder holds `*.handoff` and `keys.json`, and gets `*.latent`.
"""

import json
import sys
from datetime import datetime
from pathlib import Path

import numpy as np

from hybrid_serving import handoff, trajectory

NOW = datetime.fromisoformat("2026-01-01T00:00:00+00:00")


def network(x: np.ndarray, level: float) -> np.ndarray:
    """A conditional and an unconditional output; + - * / sqrt only, so that every machine agrees on them."""
    bent = x / np.sqrt(np.float32(1.0) + x * x)
    mixed = bent + np.float32(0.25) * np.roll(bent, 1, axis=-1) * bent[::-1]
    strength = np.float32(0.5) + np.float32(level) / np.float32(1500.0)
    return np.stack((mixed * strength, bent * np.float32(0.75)))


def finish(data: bytes, *, keys: handoff.PublicKeys) -> bytes:
    """The finished latent of a handoff."""
    received = handoff.unpack(data, keys=keys, now=NOW)
    settings = received.settings
    last = trajectory.run(received.state, table=received.table, stop=settings.steps, settings=settings, denoise=network)
    return last.x.tobytes()


def main(folder: Path) -> None:
    """Finish every handoff of `folder`."""
    keys = handoff.PublicKeys.from_texts(json.loads((folder / "keys.json").read_text()))
    for path in folder.glob("*.handoff"):
        path.with_suffix(".latent").write_bytes(finish(path.read_bytes(), keys=keys))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
