"""The options that ask a service for pictures, and the request body made of them. Values only."""

from typing import Annotated, Any

import typer

from hybrid_serving.cli.failures import UsageFailure

KEY_VARIABLE = "HYBRID_API_KEY"
DEFAULT_URL = "http://127.0.0.1:8000"

Url = Annotated[str, typer.Option(help="The service's address.", envvar="HYBRID_URL")]
Key = Annotated[str | None, typer.Option(help="API key.", envvar=KEY_VARIABLE, show_envvar=True)]
Seed = Annotated[str | None, typer.Option(help="Unsigned 64-bit number; the same seed draws the same picture.")]
Steps = Annotated[int | None, typer.Option(help="Denoising steps over all segments.")]
Guidance = Annotated[float | None, typer.Option(help="Strength of the prompt; 1 is unguided and half the work.")]
Negative = Annotated[str | None, typer.Option(help="What to steer away from.")]
Sampler = Annotated[str | None, typer.Option(help="dpmpp-2m, unipc-2, ddim, euler, euler-a or lcm.")]
Split = Annotated[str | None, typer.Option(help="Where the large network stops: a step, or a share such as 40%.")]
Size = Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in pixels.")]


def order(
    prompt: str,
    *,
    seed: str | None,
    steps: int | None,
    guidance: float | None,
    negative: str | None,
    sampler: str | None,
    split: str | None,
    size: str | None,
) -> dict[str, Any]:
    """The request body; what was not asked for is left to the service."""
    if not prompt.strip():
        raise UsageFailure("The prompt is empty; say what to draw.")
    asked = {
        "prompt": prompt,
        "seed": seed,
        "steps": steps,
        "guidance_scale": guidance,
        "negative_prompt": negative,
        "sampler": sampler,
        "split": int(split) if split and split.isdecimal() else split,
        "size": size,
    }
    return {name: value for name, value in asked.items() if value is not None}
