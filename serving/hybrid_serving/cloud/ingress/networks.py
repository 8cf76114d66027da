"""The facts about a service's networks, read from the fixed half and the models that it names.

Reads configurations, digests and the tokenizer; loads no weights and no engine.
"""

import time
from collections.abc import Callable

from hybrid_api.scalars import Size
from hybrid_api.serve_config import Fixed
from hybrid_engines import models
from hybrid_serving.cloud import tokenizer as tokenizers
from hybrid_serving.cloud.ingress.facts import Facts, Segment
from hybrid_serving.cloud.ingress.planning import Curve
from hybrid_serving.sampler import Schedule


def read(fixed: Fixed) -> Facts:
    """What the segments are; the first one's model supplies everything that they share."""
    specs = fixed.spec.segments
    first = models.open_model(specs[0].model.uri)
    opened = [first, *(models.open_model(spec.model.uri, first=first) for spec in specs[1:])]

    def latent_shape(size: Size) -> tuple[int, int, int]:
        return first.latent_shape(size.width, size.height)

    return Facts(
        model=fixed.name,
        segments=tuple(
            Segment(name=spec.name, runs_on=spec.runs_on, network=model.digest("unet"))
            for spec, model in zip(specs, opened, strict=True)
        ),
        schedule=Schedule.from_config(first.schedule),
        sizes=fixed.spec.requests.limits.sizes,
        latent_shape=latent_shape,
        count_tokens=_counter(first),
        curve=_curve(first),
        embeds_guidance=bool(first.guidance_width),
        created=int(time.time()),
    )


def _counter(model: models.Model) -> Callable[[str], int]:
    """Counts as the text encoder sees a prompt: with its marks, cut at its length."""
    tokenizer = tokenizers.read(model.tokenizer)
    tokenizer.no_padding()

    def count(text: str) -> int:
        return min(len(tokenizer.encode(text).ids), model.max_tokens)

    return count


def _curve(model: models.Model) -> Curve:
    """The share of captions drawn right, over the level of the handoff."""
    points = (model.curve or {}).get("curve", ())
    return tuple((float(point["level"]), float(point["accuracy"]["all"])) for point in points)
