"""Pictures from answers to files, and the line that says what they cost. No network."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from hybrid_serving.cli.failures import Failure

_NANOSECONDS_A_MILLISECOND = 1_000_000


def paths(output: Path, *, count: int) -> list[Path]:
    """Where `count` pictures go: `output` itself, or numbered beside each other."""
    if count == 1:
        return [output]
    return [output.with_stem(f"{output.stem}-{index}") for index in range(count)]


def save(path: Path, content: bytes) -> None:
    """Write one picture; its folder is made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise Failure(f"The picture cannot be written to {path}: {error.strerror}.") from error


def decode(text: str) -> bytes:
    """The bytes of a picture in an answer."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Failure("The service answered with a picture that is no base64.") from error


def cost_line(costs: Sequence[Mapping[str, Any]]) -> str:
    """What pictures cost in the cloud, and beside what that is a saving."""
    booked: dict[str, int] = {}
    for cost in costs:
        for segment, nanoseconds in cost.get("nanoseconds", {}).items():
            booked[segment] = booked.get(segment, 0) + nanoseconds
    times = ", ".join(f"{name} {spent / _NANOSECONDS_A_MILLISECOND:.1f} ms" for name, spent in booked.items() if spent)
    if not costs or any(cost.get("cloud") is None for cost in costs):
        return f"Cloud time: {times or 'none'}; the service has no price list."
    currency = costs[0]["currency"]
    cloud = sum((Decimal(cost["cloud"]) for cost in costs), start=Decimal(0))
    line = f"Cost {money(cloud)} {currency} ({times or 'no engine time'})"
    if any(cost.get("all_cloud") is None for cost in costs):
        return f"{line}."
    alone = sum((Decimal(cost["all_cloud"]) for cost in costs), start=Decimal(0))
    return f"{line}; all steps on the large network would cost {money(alone)}{_comparison(cloud, alone=alone)}."


def money(amount: Decimal) -> str:
    """An amount with three significant digits, never in powers of ten."""
    return f"{amount:.12f}" if not amount else f"{Decimal(f'{amount:.3g}'):f}"


def _comparison(cloud: Decimal, *, alone: Decimal) -> str:
    if not alone:
        return ""
    return f", so {1 - cloud / alone:.1%} is saved" if cloud <= alone else f", so this was {cloud / alone - 1:.1%} more"
