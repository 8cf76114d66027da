"""Writes the frozen vectors of noise, sampler and handoff: `python tests/contracts/freeze_vectors.py`.

Run it only for a new version of a format, never to make a test pass: ports in other languages and devices in the field
are held to these files. Every number that matters to the last bit is written as the hex of its IEEE bits (big end
first), seeds and words as decimal or hex strings, so that JavaScript reads them without rounding.
"""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_serving import handoff, noise, sampler, trajectory
from hybrid_serving.protocol import Settings

FOLDER = Path(__file__).with_name("vectors")
SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
}
ISSUED = datetime(2026, 1, 1, tzinfo=UTC)
SHAPE = (2, 2, 3)


def bits(array: np.ndarray) -> list[str]:
    """Each element's bits as hex."""
    unsigned = array.ravel().view(f"u{array.itemsize}")
    return [f"{int(value):0{2 * array.itemsize}x}" for value in unsigned]


def network(x: np.ndarray, level: float) -> np.ndarray:
    """The vectors' denoiser, one row: y = x / sqrt(1 + x·x), output = y · (0.5 + level / 1500), all in float32."""
    strength = np.float32(0.5) + np.float32(level) / np.float32(1500.0)
    return (x / np.sqrt(np.float32(1.0) + x * x) * strength)[np.newaxis]


def philox(seed: int, counter: tuple[int, int, int, int]) -> np.ndarray:
    """One block."""
    first, step, image, stream = counter
    return noise.philox([noise.Place(seed, image, step, stream)], blocks=1, first=first)[0]


def noise_vectors() -> dict[str, Any]:
    """Philox, the inverse CDF and whole arrays."""
    ones = 2**32 - 1
    counters = [
        (0, (0, 0, 0, 0)),
        (2**64 - 1, (ones, ones, ones, ones)),
        (0x299F31D0_A4093822, (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)),
        (12345678901234567890, (1, 2, 3, 4)),
    ]
    words = [0, 1, 2, 1000, 2**20, 322122546, 322122547, 2**30, 2**31 - 1, 2**31, 3 * 2**30, ones - 1, ones]
    places = [(0, 0, 0, 0), (7, 0, 1, 0), (2**32, 1, 25, 0), (2**53 + 1, 3, 2, 1), (2**64 - 1, ones, ones, ones)]
    return {
        "philox": [
            {
                "seed": str(seed),
                "counter": list(counter),
                "words": [f"{word:08x}" for word in philox(seed, counter)[0]],
            }
            for seed, counter in counters
        ],
        "inverse_cdf": [
            {"word": word, "float64": bits(noise.inverse_cdf(np.array([word], np.uint64)))[0]} for word in words
        ],
        "normals": [
            {
                "seed": str(seed),
                "image": image,
                "step": step,
                "stream": stream,
                "shape": [1, 2, 5],
                "float32": bits(noise.normals(seed, image=image, step=step, stream=stream, shape=(1, 2, 5))),
            }
            for seed, image, step, stream in places
        ],
    }


def sampler_vectors() -> dict[str, Any]:
    """A table of each sampler, and a trajectory through it with every intermediate x."""
    return {"schedule": SCHEDULE, "shape": list(SHAPE), "tables": [table_vector(name) for name in sampler.SAMPLERS]}


def table_vector(name: str) -> dict[str, Any]:
    """One sampler's table and trajectory."""
    settings = some_settings(name)
    table = sampler.compile_table(sampler.Schedule.from_config(SCHEDULE), sampler=name, steps=settings.steps)
    start = trajectory.begin(settings, table=table, latent_shape=SHAPE)
    walk = trajectory.walk(start, table=table, stop=settings.steps, settings=settings, denoise=network)
    return {
        "sampler": name,
        "seed": str(settings.seed),
        "image": settings.image,
        "initial": table.initial,
        "history_length": table.history_length,
        "entries": [
            {
                field: getattr(entry, field)
                for field in ("level", "c_in", "x0_from_x", "x0_from_output", "x", "x0", "noise")
            }
            | {"history": list(entry.history)}
            for entry in table.entries
        ],
        "x": [bits(start.x), *(bits(step.state.x) for step in walk)],
    }


def some_settings(name: str) -> Settings:
    """Five steps of one image."""
    return Settings(
        prompt="a red circle above a blue square — ◯",
        negative_prompt="",
        seed=2**64 - 59,
        image=1,
        sampler=name,
        steps=5,
        guidance_scale=1.0,
        width=64,
        height=64,
    )


def handoff_vectors() -> dict[str, Any]:
    """Signed files, what is in them, and the latents that a device must finish from them."""
    seeds = {"2026-01": base64.b64encode(bytes(range(32))).decode()}
    ring = handoff.KeyRing.from_texts(seeds)
    places = (("dpmpp-2m", 2), ("euler-a", 3), ("ddim", 0))
    return {
        "signing_seeds": seeds,
        "public_keys": ring.public.to_texts(),
        "now": ISSUED.isoformat(),
        "files": [handoff_vector(name, position, ring) for name, position in places],
    }


def handoff_vector(name: str, position: int, ring: handoff.KeyRing) -> dict[str, Any]:
    """One file."""
    settings = some_settings(name)
    table = sampler.compile_table(sampler.Schedule.from_config(SCHEDULE), sampler=name, steps=settings.steps)
    start = trajectory.begin(settings, table=table, latent_shape=SHAPE)
    state = trajectory.run(start, table=table, stop=position, settings=settings, denoise=network)
    parcel = handoff.Handoff(
        request="request-0",
        model="shapes",
        networks={"large": "1f" * 32, "small": "2e" * 32},
        table=table.rest(position),
        state=state,
        settings=settings,
        conditioning={"text": noise.normals(1, image=0, step=0, shape=(1, 2, 4))} if name == "dpmpp-2m" else {},
        issued_at=ISSUED,
        expires_at=ISSUED + timedelta(minutes=5),
        domain="0123456789abcdef",
        engine="openvino f32",
    )
    last = trajectory.run(state, table=table, stop=settings.steps, settings=settings, denoise=network)
    return {
        "sampler": name,
        "position": position,
        "file": base64.b64encode(handoff.pack(parcel, key=ring.signing)).decode(),
        "x": bits(state.x),
        "history": [bits(past) for past in state.history],
        "conditioning": {key: bits(array) for key, array in parcel.conditioning.items()},
        "finished": bits(last.x),
    }


VECTORS = {"noise": noise_vectors, "sampler": sampler_vectors, "handoff": handoff_vectors}

if __name__ == "__main__":
    for title, make in VECTORS.items():
        (FOLDER / f"{title}.json").write_text(json.dumps(make(), indent=1, ensure_ascii=False) + "\n")
