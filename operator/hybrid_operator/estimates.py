"""What pictures will cost, said before anybody draws them: pure, from the pace of one picture and the prices of now.

It is an estimate and no bill: a default request, drawn alone, with the most steps that the first segment may run, and
without what is sent or what idles. Nothing in it moves by itself; it is made anew with prices, spec and proven pods.
"""

from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Any

from hybrid_api import cost
from hybrid_api.prices import PriceList
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator.observed import Paces

Manifest = dict[str, Any]

_IMAGES = 1000
_THREE_DIGITS = Context(prec=3)
_MICROSECOND = 1000


def estimate(
    hd: HybridDiffusion, *, paces: Paces | None, prices: PriceList | None, occupied: Mapping[str, cost.Resources]
) -> Manifest | None:
    """The status's estimate; `None` where a pace or a price is not known, because nothing is guessed."""
    names = [segment.name for segment in hd.spec.segments]
    if paces is None or prices is None or not set(names) <= set(occupied):
        return None
    if any(name not in paces.steps for name in _in_cloud(hd)):
        return None
    try:
        split, alone = (
            _price(each, occupied=occupied, prices=prices) for each in (_split(hd, paces), _alone(hd, paces))
        )
    except cost.CostError:
        return None
    saving = cost.Saving(cloud=split, all_cloud=alone).fraction
    return {
        "currency": prices.currency,
        "thousandImages": _text(_IMAGES * split),
        "thousandImagesAllCloud": _text(_IMAGES * alone),
        **({"saving": f"{100 * saving:.0f} %"} if saving is not None else {}),
        "paces": _written(paces),
    }


def remembered(status: Mapping[str, Any]) -> Paces | None:
    """The paces that an estimate was made from, so that a new operator need not draw to make it anew."""
    found = (status.get("estimate") or {}).get("paces")
    if not found:
        return None
    return Paces(
        encode=found["encodeMicroseconds"] * _MICROSECOND,
        decode=found["decodeMicroseconds"] * _MICROSECOND,
        steps={each["name"]: each["stepMicroseconds"] * _MICROSECOND for each in found["segments"]},
    )


def _written(paces: Paces) -> Manifest:
    return {
        "encodeMicroseconds": paces.encode // _MICROSECOND,
        "decodeMicroseconds": paces.decode // _MICROSECOND,
        "segments": [
            {"name": name, "stepMicroseconds": nanoseconds // _MICROSECOND} for name, nanoseconds in paces.steps.items()
        ],
    }


def _in_cloud(hd: HybridDiffusion) -> list[str]:
    """Segments that somebody pays for; the first one is always among them."""
    return [segment.name for segment in hd.spec.segments if segment.runs_on == "Cloud"]


def _split(hd: HybridDiffusion, paces: Paces) -> dict[str, int]:
    """Engine time of one picture by segment, where devices do what they can."""
    steps, rows = _steps(hd), _rows(hd)
    found = {name: rows * steps[name] * paces.steps[name] for name in _in_cloud(hd)}
    first, last = hd.spec.segments[0], hd.spec.segments[-1]
    found[first.name] += paces.encode
    if last.runs_on == "Cloud":
        found[last.name] += paces.decode
    return found


def _alone(hd: HybridDiffusion, paces: Paces) -> dict[str, int]:
    """The same with every step on the first segment."""
    first = hd.spec.segments[0].name
    every = cost.AllCloud(
        steps=hd.spec.requests.defaults.steps,
        rows_a_step=_rows(hd),
        step_nanoseconds=paces.steps[first],
        encode_nanoseconds=paces.encode,
        decode_nanoseconds=paces.decode,
    )
    return {first: every.nanoseconds}


def _steps(hd: HybridDiffusion) -> dict[str, int]:
    """Steps of a default request by segment, each as many as it may run, the last what is left."""
    left, found = hd.spec.requests.defaults.steps, {}
    for segment in hd.spec.segments:
        found[segment.name] = (
            min(left, segment.steps.upper.of(hd.spec.requests.defaults.steps)) if segment.steps else left
        )
        left -= found[segment.name]
    return found


def _rows(hd: HybridDiffusion) -> int:
    """Guidance makes two rows of a step."""
    return 1 if hd.spec.requests.defaults.guidance_scale == 1 else 2


def _price(nanoseconds: Mapping[str, int], *, occupied: Mapping[str, cost.Resources], prices: PriceList) -> Decimal:
    return cost.spent(nanoseconds, resources=occupied, prices=prices)


def _text(amount: Decimal) -> str:
    """Three digits that say something."""
    return f"{_THREE_DIGITS.plus(amount):f}"
