"""A request held against the resource: everything resolved, nothing left to default.

Pure but for the seed and the plan, which the caller's callables make.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from hybrid_api import scalars
from hybrid_api.prices import PriceList
from hybrid_serving import sampler as samplers
from hybrid_serving.cloud.ingress.errors import ApiError
from hybrid_serving.cloud.ingress.facts import Facts
from hybrid_serving.cloud.ingress.planning import Plan
from hybrid_serving.cloud.ingress.schemas import SEED_MAX, GenerationRequest
from hybrid_serving.cloud.ingress.terms import Terms
from hybrid_serving.protocol import Settings

_LARGEST_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Order:
    """One request, resolved: what to draw, how far each segment goes, and how to hand the pictures over."""

    id: str
    tenant: str
    settings: tuple[Settings, ...]
    """One an image."""
    rows_a_step: int
    """Of each image."""
    plan: Plan
    """Where each segment but the last stops."""
    deadline: float
    """Absolute, seconds since the epoch."""
    prices: PriceList | None
    """Those of its time; `None` books without pricing."""
    request: GenerationRequest
    """As it came; the answer echoes it."""

    @property
    def steps(self) -> int:
        """Length of the trajectory."""
        return self.settings[0].steps

    @property
    def split(self) -> int:
        """Step at which the first segment stops."""
        return self.plan.stops[0] if self.plan.stops else self.steps

    def described(self) -> dict[str, Any]:
        """How its pictures come about, as answers tell it; JSON without a prompt."""
        settings = self.settings[0]
        return {
            "id": self.id,
            "seed": str(settings.seed),
            "sampler": settings.sampler,
            "steps": settings.steps,
            "split": self.split,
            "split_reason": self.plan.reason,
            "guidance_scale": settings.guidance_scale,
        }

    @property
    def pixels(self) -> scalars.Size:
        """Size of the pictures."""
        return scalars.Size(width=self.settings[0].width, height=self.settings[0].height)

    @property
    def compression(self) -> int:
        """Quality in percent."""
        return 100 if self.request.output_compression is None else self.request.output_compression

    @property
    def size(self) -> str:
        """`WIDTHxHEIGHT`."""
        return str(self.pixels)

    @property
    def output_format(self) -> Literal["png", "jpeg", "webp"]:
        """What the pictures are encoded as."""
        return self.request.output_format or "png"


def read(
    request: GenerationRequest,
    *,
    id: str,  # noqa: A002  # the protocol's word
    tenant: str,
    facts: Facts,
    terms: Terms,
    now: float,
    draw_seed: Callable[[], int],
    plan: Callable[[Settings], Plan],
) -> Order:
    """The order behind `request`; raises `ApiError` naming the first field that the resource does not allow."""
    _check_combinations(request, model=facts.model)
    steps = _limited("steps", request.steps or terms.steps, limit=terms.max_steps)
    images = _limited("n", request.n or 1, limit=terms.max_images)
    size = _size(request.size, default=terms.size, allowed=facts.sizes)
    first = Settings(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt or "",
        seed=draw_seed() if request.seed is None else _seed(request.seed),
        image=0,
        sampler=_sampler(
            terms.sampler if request.sampler is None else request.sampler, steps=steps, schedule=facts.schedule
        ),
        steps=steps,
        guidance_scale=terms.guidance_scale if request.guidance_scale is None else request.guidance_scale,
        width=size.width,
        height=size.height,
    )
    return Order(
        id=id,
        tenant=tenant,
        settings=tuple(replace(first, image=image) for image in range(images)),
        rows_a_step=facts.rows_a_step(first),
        plan=plan(first),
        deadline=now + terms.deadline_seconds,
        prices=terms.prices,
        request=request,
    )


def _check_combinations(request: GenerationRequest, *, model: str) -> None:
    """Fields that only make sense together."""
    if request.model not in {None, model}:
        message = f"The model `{_short(request.model)}` does not exist; this service has `{model}`."
        raise ApiError(message, code="model_not_found", param="model")
    if request.partial_images and not request.stream:
        raise _invalid("partial_images", request.partial_images, expected="0 or absent unless `stream` is true")
    if request.output_compression is not None and request.output_format not in {"jpeg", "webp"}:
        expected = "no compression for png; choose `output_format` jpeg or webp"
        raise _invalid("output_compression", request.output_compression, expected=expected)


def _limited(field: str, value: int, *, limit: int) -> int:
    if not 1 <= value <= limit:
        raise _invalid(field, value, expected=f"1 to {limit}, the limit of this service")
    return value


def _size(text: str | None, *, default: scalars.Size, allowed: Sequence[scalars.Size]) -> scalars.Size:
    size = default if text in {None, "auto"} else scalars.parse_size(text)
    if size not in allowed:
        raise _invalid("size", text, expected=f"one of {', '.join(map(str, allowed))}, or `auto`")
    return size


def _sampler(name: str, *, steps: int, schedule: samplers.Schedule) -> str:
    """The name, once its table is known to exist; tables are cached, so this costs nothing the second time."""
    if name not in samplers.SAMPLERS:
        raise _invalid("sampler", name, expected=f"one of {', '.join(samplers.SAMPLERS)}")
    try:
        samplers.compile_table(schedule, sampler=name, steps=steps)
    except samplers.SamplerError as error:
        raise ApiError(str(error), code="invalid_value", param="steps") from error
    return name


def _seed(seed: int | str) -> int:
    number = int(seed)
    if number > SEED_MAX:
        raise _invalid("seed", seed, expected=f"an unsigned 64-bit number, at most {SEED_MAX}")
    return number


def _invalid(field: str, found: object, *, expected: str) -> ApiError:
    return ApiError(f"`{field}` is {_short(found)}; expected {expected}.", code="invalid_value", param=field)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LARGEST_SHOWN else f"{text[:_LARGEST_SHOWN]}…"
