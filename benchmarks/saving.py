"""Whether the saving that was predicted is the saving that is measured, on the built-in pair and for real.

The predictions are made before anything is served, from `hybrid profile` alone. Then pictures are drawn in turn:
finished by the small network in the cloud, finished by a device, and whole on the large network. What the service says
that each cost is added up, encoding, handoff and pictures' bytes included. The device takes over early, because the
tiny pair's large steps cost little beside the bytes of a handoff.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table

from e2e import served
from hybrid_serving import handoff
from hybrid_serving.edge.client import Service
from hybrid_serving.keys import PublicKeys

PORT = 8214
STEPS, SPLIT, DEVICE_SPLIT = 25, 10, 3
CORE_HOUR, GIB = Decimal("0.0316"), Decimal("0.09")
"""The sample's prices."""
CORES = 2
_NANOSECONDS = Decimal(3_600_000_000_000)
_COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
_SHAPES = ("circle", "square", "star", "triangle")


def profile() -> Mapping[str, float]:
    """What `hybrid profile` measures, in milliseconds of one call each."""
    command = [sys.executable, "-m", "hybrid_serving.cli", "profile", "--splits", str(SPLIT), "--json"]
    options = ["--threads", str(CORES), "--steps", str(STEPS), "--prompt", "a red circle above a blue square"]
    found = subprocess.run([*command, *options], check=True, stdout=subprocess.PIPE, text=True)
    measured: Mapping[str, float] = json.loads(found.stdout)["milliseconds"]
    return measured


def predict(milliseconds: Mapping[str, float], *, handoff_bytes: int, picture_bytes: int) -> dict[str, Decimal]:
    """1 - cost / cost of (encode, T large steps, decode, the picture), by where the picture is finished."""
    encode, large, small, decode = (
        Decimal(str(milliseconds[name])) for name in ("encode", "large_step", "small_step", "decode")
    )
    whole = _engine(encode + STEPS * large + decode) + _sent(picture_bytes)
    in_cloud = _engine(encode + SPLIT * large + (STEPS - SPLIT) * small + decode) + _sent(picture_bytes)
    on_device = _engine(encode + DEVICE_SPLIT * large) + _sent(handoff_bytes)
    return {"cloud": 1 - in_cloud / whole, "device": 1 - on_device / whole}


def _engine(milliseconds: Decimal) -> Decimal:
    return milliseconds * 1_000_000 * CORES * CORE_HOUR / _NANOSECONDS


def _sent(size_bytes: int) -> Decimal:
    return GIB * size_bytes / 2**30


class Pictures:
    """Draws one picture either way, each with a prompt of its own, so that every text is encoded."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._keys = PublicKeys.from_texts(service.capabilities()["signing_keys"])
        self._count = 0
        self.handoff_bytes = 0

    def device(self) -> dict[str, Any]:
        """The cost of a picture that a device finishes."""
        given = self._service.request_handoff(self._order(DEVICE_SPLIT))
        self.handoff_bytes = len(given.data)
        known = handoff.unpack(given.data, keys=self._keys, now=datetime.now(UTC))
        answer = self._service.report(known.request, given=given, seconds=0.2, steps=STEPS - DEVICE_SPLIT)
        cost: dict[str, Any] = answer["hybrid"]["cost"]
        return cost

    def cloud(self) -> dict[str, Any]:
        """The cost of a picture that the small network finishes in the cloud."""
        return self._drawn(SPLIT)

    def whole(self) -> dict[str, Any]:
        """The cost of a picture whose every step runs on the large network."""
        return self._drawn(STEPS)

    def _drawn(self, split: int) -> dict[str, Any]:
        cost: dict[str, Any] = self._service.generate(self._order(split))["hybrid"]["cost"]
        return cost

    def _order(self, split: int) -> dict[str, Any]:
        self._count += 1
        colour = _COLOURS[self._count % len(_COLOURS)]
        shape = _SHAPES[self._count // len(_COLOURS) % len(_SHAPES)]
        return {"prompt": f"picture {self._count}: a {colour} {shape}", "steps": STEPS, "split": split, "seed": 7}


def measure(*, rounds: int, pictures: int) -> dict[str, Any]:
    """Prediction and measurement, by round."""
    milliseconds = profile()
    with served.serving(served.sample(_one_worker), port=PORT) as running:
        url = running.url.removesuffix("/v1")
        with Service(url, key=running.key) as service:
            drawn = Pictures(service)
            drawn.device()  # the sizes of a handoff and of a picture, which no profile knows
            sizes = {"picture_bytes": drawn.whole()["egress_bytes"], "handoff_bytes": drawn.handoff_bytes}
            found = [_round(drawn, pictures=pictures) for _ in range(rounds)]
    predicted = predict(milliseconds, **sizes)
    return {
        "milliseconds": dict(milliseconds),
        **sizes,
        "predicted": {side: float(saved) for side, saved in predicted.items()},
        "measured": {side: [each[side] for each in found] for side in predicted},
    }


def _round(drawn: Pictures, *, pictures: int) -> dict[str, float]:
    """What either way saved, over pictures drawn in turn."""
    totals = dict.fromkeys(("cloud", "device", "whole"), Decimal(0))
    for _ in range(pictures):
        for side, draw in (("cloud", drawn.cloud), ("whole", drawn.whole), ("device", drawn.device)):
            totals[side] += Decimal(draw()["cloud"])
    return {side: float(1 - totals[side] / totals["whole"]) for side in ("cloud", "device")}


def _one_worker(spec: dict[str, Any]) -> None:
    for segment in spec["segments"]:
        segment["workers"] = {"replicas": 1}


def main(arguments: Sequence[str] | None = None) -> None:
    """Predict, measure, print a table, optionally write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=12, help="of each side and round")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    result = measure(rounds=options.rounds, pictures=options.pictures)
    table = Table("saved", f"finished in the cloud, k = {SPLIT}", f"finished by a device, k = {DEVICE_SPLIT}")
    sides = ("cloud", "device")
    table.add_row("predicted from `hybrid profile`", *(f"{result['predicted'][side]:.2%}" for side in sides))
    for number in range(options.rounds):
        table.add_row(f"measured, round {number + 1}", *(f"{result['measured'][side][number]:.2%}" for side in sides))
    table.add_row("measured, mean", *(_held(result, side) for side in sides))
    Console().print(table)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2))


def _held(result: Mapping[str, Any], side: str) -> str:
    mean = fmean(result["measured"][side])
    return f"{mean:.2%} ({mean / result['predicted'][side] - 1:+.1%} off the prediction)"


if __name__ == "__main__":
    main()
