"""`hybrid generate`: one prompt over the HTTP API, pictures into files, the cost on the last line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.text import Text

from hybrid_serving.cli import output, pictures
from hybrid_serving.cli import requesting as ask
from hybrid_serving.cli.failures import Failure, reported
from hybrid_serving.edge.client import Service, ServiceError

EXAMPLES = """[bold]Examples[/]

hybrid generate "a red circle above a blue square" -o picture.png

hybrid generate "a green star" -n 4 --seed 7 --steps 30 --split 40%

hybrid generate "a yellow triangle on black" --stream --url http://127.0.0.1:9000"""

_PREVIEWS = 3

Prompt = Annotated[str, typer.Argument(help="What to draw.", show_default=False)]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="Where the picture goes; several are numbered. png, jpeg or webp.")
]
Count = Annotated[int, typer.Option("--n", "-n", min=1, max=10, help="How many pictures.")]
Stream = Annotated[bool, typer.Option("--stream", help="Save previews beside the picture while it is drawn.")]

_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


def generate(
    prompt: Prompt,
    *,
    url: ask.Url = ask.DEFAULT_URL,
    output_path: Output = Path("picture.png"),
    n: Count = 1,
    seed: ask.Seed = None,
    steps: ask.Steps = None,
    guidance: ask.Guidance = None,
    negative: ask.Negative = None,
    sampler: ask.Sampler = None,
    split: ask.Split = None,
    size: ask.Size = None,
    stream: Stream = False,
    key: ask.Key = None,
    as_json: output.Json = False,
) -> None:
    """Draw pictures from a prompt with a running service."""
    order = ask.order(
        prompt,
        seed=seed,
        steps=steps,
        guidance=guidance,
        negative=negative,
        sampler=sampler,
        split=split,
        size=size,
    )
    order |= {"n": n, "output_format": _FORMATS.get(output_path.suffix.lower(), "png")}
    files = pictures.paths(output_path, count=n)
    with reported(failure=(ServiceError,)), Service(url, key=key) as service, output.progress() as progress:
        draw = _streamed if stream else _whole
        answers = draw(service, order, files=files, progress=progress)
    document = {"files": [str(path) for path in files], **answers[0]}
    if len(answers) > 1:
        document["hybrid"] = [answer["hybrid"] for answer in answers]
    names = ", ".join(str(path) for path in files)
    costs = [answer["hybrid"]["cost"] for answer in answers]
    seed_used = f"  seed {answers[0]['hybrid']['seed']}\n"
    view = Text.assemble(names, (seed_used, "dim"), pictures.cost_line(costs))
    output.show(document, view, as_json=as_json)


def _whole(
    service: Service, order: Mapping[str, Any], *, files: list[Path], progress: Progress
) -> list[dict[str, Any]]:
    """All pictures in one answer, which is returned without their pixels."""
    progress.add_task("Drawing", total=None)
    answer = service.generate(order)
    for path, picture in zip(files, answer.pop("data"), strict=True):
        pictures.save(path, pictures.decode(picture["b64_json"]))
    return [answer]


def _streamed(
    service: Service, order: Mapping[str, Any], *, files: list[Path], progress: Progress
) -> list[dict[str, Any]]:
    """Pictures as they come; the last event of each is returned without its pixels."""
    task = progress.add_task("Drawing", total=(_PREVIEWS + 1) * len(files))
    ended: dict[int, dict[str, Any]] = {}
    for event in service.stream({**order, "partial_images": _PREVIEWS}):
        image = int(event.pop("image_index", 0))
        content = pictures.decode(event.pop("b64_json"))
        progress.advance(task)
        if event["type"].endswith("partial_image"):
            path = files[image]
            pictures.save(path.with_stem(f"{path.stem}-preview-{event['partial_image_index']}"), content)
        else:
            pictures.save(files[image], content)
            ended[image] = event
    if len(ended) < len(files):
        raise Failure(f"The stream ended after {len(ended)} of {len(files)} pictures; try again.")
    return [ended[image] for image in range(len(files))]
