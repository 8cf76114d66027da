"""`hybrid edge`: what a device runs. Needs no Ray, and with a built engine no training framework."""

import platform
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from hybrid_serving import protocol
from hybrid_serving.cli import output, pictures
from hybrid_serving.cli import requesting as ask
from hybrid_serving.cli.failures import reported
from hybrid_serving.cli.state import default_folder
from hybrid_serving.cli.this_device import ThisDevice
from hybrid_serving.edge import trust
from hybrid_serving.edge.client import Service, ServiceError
from hybrid_serving.edge.session import Drawn, Session
from hybrid_serving.handoff import HandoffError

EXAMPLES = """[bold]Examples[/]

hybrid edge generate "a red circle above a blue square" --url http://127.0.0.1:8000 -o picture.png

hybrid edge generate "a green star" "an orange ring" --split 40% --seed 7 --json

hybrid edge generate "a green star" --model file:///models/pair/small --signing-key demo-1=BASE64"""

application = typer.Typer(
    help="What a device runs: finish pictures that the cloud began.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

Prompts = Annotated[list[str], typer.Argument(help="What to draw, a picture each.", show_default=False)]
Output = Annotated[Path, typer.Option("--output", "-o", help="Where the picture goes, as png; several are numbered.")]
ModelUri = Annotated[
    str | None, typer.Option("--model", help="Address of the small model here; absent, the built-in one that fits.")
]
SigningKey = Annotated[
    str | None, typer.Option(help="The service's public key, `id=base64`; absent, the one seen first is believed.")
]
Threads = Annotated[int, typer.Option(min=1, help="Threads of an engine; part of what decides the picture's bits.")]
State = Annotated[Path | None, typer.Option(help="Folder for this device's profile and for pinned keys.")]


@application.callback()
def edge() -> None:
    """Keep `generate` a command of its own while it is the only one."""


@application.command("generate", epilog=EXAMPLES)
def generate(
    prompts: Prompts,
    *,
    url: ask.Url = ask.DEFAULT_URL,
    output_path: Output = Path("picture.png"),
    seed: ask.Seed = None,
    steps: ask.Steps = None,
    guidance: ask.Guidance = None,
    negative: ask.Negative = None,
    sampler: ask.Sampler = None,
    split: ask.Split = None,
    size: ask.Size = None,
    model: ModelUri = None,
    signing_key: SigningKey = None,
    threads: Threads = 2,
    state: State = None,
    key: ask.Key = None,
    as_json: output.Json = False,
) -> None:
    """Let the cloud begin pictures, and finish them on this device."""
    orders = [
        ask.order(
            prompt,
            seed=seed,
            steps=steps,
            guidance=guidance,
            negative=negative,
            sampler=sampler,
            split=split,
            size=size,
        )
        for prompt in prompts
    ]
    here = ThisDevice(
        model_uri=model,
        signing_key=signing_key,
        threads=threads,
        folder=(state or default_folder() / "edge").expanduser(),
    )
    paths = pictures.paths(output_path, count=len(orders))
    with reported(usage=(trust.TrustError,), failure=(ServiceError, HandoffError)), Service(url, key=key) as service:
        session = here.session(service, size=size)
        for order, path in zip(orders, paths, strict=True):
            drawn = _draw(session, order)
            pictures.save(path, drawn.picture)
            if as_json:
                output.line(_document(drawn, session=session, path=path))
            else:
                output.results().print(_view(drawn, session=session, path=path), soft_wrap=True)


def _draw(session: Session, order: dict[str, Any]) -> Drawn:
    with output.progress() as progress:
        task = progress.add_task("The cloud begins", total=None)

        def show(state: protocol.State) -> None:
            progress.update(task, description="This device finishes", completed=state.position)

        return session.draw(order, on_step=show)


def _document(drawn: Drawn, *, session: Session, path: Path) -> dict[str, Any]:
    handoff = drawn.handoff
    return {
        "file": str(path),
        "finished_on": drawn.finished_on,
        "reason": drawn.reason,
        "handoff": {
            "id": handoff.request,
            "position": handoff.state.position,
            "steps": handoff.settings.steps,
            "size_bytes": drawn.handoff_bytes,
            "expires_at": handoff.expires_at.isoformat(),
            "domain": handoff.domain,
        },
        "seed": str(handoff.settings.seed),
        "device": {
            "name": platform.node(),
            "domain": session.device.unet.domain.digest() if session.device else None,
            "profile": asdict(session.profile) if session.profile else None,
            "seconds": drawn.edge_seconds,
        },
        "request_seconds": drawn.request_seconds,
        "answer": dict(drawn.answer),
    }


def _view(drawn: Drawn, *, session: Session, path: Path) -> Text:
    handoff = drawn.handoff
    split, steps = handoff.state.position, handoff.settings.steps
    if drawn.finished_on == "cloud":
        way = f"This device could not finish it, so it was given back and the cloud did: {drawn.reason}\n"
    else:
        way = (
            f"{split} of {steps} steps in the cloud, {steps - split} here on `{session.segment}` "
            f"in {drawn.edge_seconds:.2f} s, from a handoff of {drawn.handoff_bytes:,} bytes.\n"
        )
    hybrid = drawn.answer.get("hybrid")
    price = pictures.cost_line([hybrid["cost"]]) if hybrid else "The service did not tell the cost."
    return Text.assemble(str(path), (f"  seed {handoff.settings.seed}\n", "dim"), way, price)
