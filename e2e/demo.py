"""The main job in a minute: `python -m e2e.demo` serves the sample on local Ray and draws real prompts.

Half of the pictures are finished in the cloud, half by an edge process. Ends with a contact sheet, a cost table, the
cost page and nothing left running. Everything goes through what a user has: the command line and the HTTP API.
"""

import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

from openai import OpenAI
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from e2e import contact_sheet

SAMPLE = Path(__file__).parent / "samples" / "shapes.yaml"
OUTPUT = Path("demo")
KEY = "demo-key"
"""The sample's own."""
SEED = "7"

PROMPTS = (
    "a red circle above a blue square",
    "a green star on a pink background",
    "a yellow triangle to the left of a purple ring",
    "an orange cross on a white background",
    "a blue circle below a yellow star on a black background",
    "a purple square on a gray background",
    "a green ring to the right of a red triangle",
    "a yellow circle on a black background",
    "an orange square above a green circle on a white background",
    "a red star on a gray background",
    "a blue triangle to the left of an orange ring on a pink background",
    "a purple cross on a white background",
)

console = Console(highlight=False)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture of the demo."""

    prompt: str
    picture: bytes
    finished_on: str
    seconds: float
    hybrid: dict[str, Any]
    """What the service said: split, steps, cost."""

    @property
    def note(self) -> str:
        """Where it was finished, and who ran how many steps."""
        return f"{self.finished_on}    k = {self.hybrid['split']} of {self.hybrid['steps']}"


def main() -> None:
    """Serve, draw, show, and leave nothing behind."""
    started = time.monotonic()
    console.rule("[bold]Hybrid Diffusion[/]: one picture, two U-Nets")
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="hybrid-demo-") as folder:
        state = Path(folder)
        with _served(port, state=state):
            drawn = _draw(f"http://127.0.0.1:{port}", state=state)
        costs = _cost_page(state=state)
    sheet = OUTPUT / "contact-sheet.png"
    _keep(drawn, sheet=sheet)
    console.print(_table(drawn))
    console.print(f"What it cost, idle time included: [bold]{costs}[/]")
    console.print(f"Pictures and contact sheet: [bold]{sheet}[/]   [dim]{time.monotonic() - started:.0f} s in all[/]")


@contextmanager
def _served(port: int, *, state: Path) -> Iterator[None]:
    """`hybrid serve` as a child whose progress is shown; it is interrupted at the end and takes Ray with it."""
    command = _hybrid("serve", "-f", str(SAMPLE), "--port", str(port), "--state", str(state / "serve"))
    # In a session of its own: Ctrl-C reaches us alone, and we pass it on once.
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        while not (state / "serve" / "running.json").exists():
            if child.poll() is not None:
                sys.exit(child.returncode or 1)
            time.sleep(0.1)
        yield
    finally:
        if child.poll() is None:
            child.terminate()
        try:
            child.wait(timeout=60)
        except subprocess.TimeoutExpired:
            child.kill()  # Ray hangs on a pipe of this process and goes with it


def _draw(url: str, *, state: Path) -> list[Drawn]:
    """Every prompt: the even ones finished in the cloud, the odd ones on the edge."""
    drawn: dict[str, Drawn] = {}
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Drawing", total=len(PROMPTS))
        for each in chain(_in_cloud(PROMPTS[::2], url=url), _on_edge(PROMPTS[1::2], url=url, state=state)):
            drawn[each.prompt] = each
            progress.advance(task)
            line = f"[green]✓[/] {each.finished_on:5}  k = {each.hybrid['split']}  {each.seconds:4.1f} s  {each.prompt}"
            progress.console.print(line, no_wrap=True, overflow="ellipsis")
    return [drawn[prompt] for prompt in PROMPTS]


def _in_cloud(prompts: Sequence[str], *, url: str) -> Iterator[Drawn]:
    """As any application does it: the official client."""
    client = OpenAI(base_url=f"{url}/v1", api_key=KEY)
    for prompt in prompts:
        started = time.monotonic()
        answer = client.images.generate(model="shapes", prompt=prompt, extra_body={"seed": SEED})
        assert answer.data, "the client raises where there is no picture"
        picture = base64.b64decode(answer.data[0].b64_json or "")
        hybrid: dict[str, Any] = (answer.model_extra or {})["hybrid"]
        yield Drawn(prompt, picture, "cloud", time.monotonic() - started, hybrid)


def _on_edge(prompts: Sequence[str], *, url: str, state: Path) -> Iterator[Drawn]:
    """A process of its own, with its own engines and no Ray, as on a device."""
    command = _hybrid(
        *("edge", "generate", *prompts, "--seed", SEED, "--url", url, "-o", str(state / "edge.png")),
        *("--state", str(state / "edge"), "--json"),
    )
    environment = {**os.environ, "HYBRID_API_KEY": KEY}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for prompt, line in zip(prompts, child.stdout, strict=False):
            answer = json.loads(line)
            if answer["reason"]:
                console.print(f"[yellow]![/] given back to the cloud: {answer['reason']}")
            seconds = answer["request_seconds"] + answer["device"]["seconds"]
            hybrid = answer["answer"]["hybrid"]
            yield Drawn(prompt, Path(answer["file"]).read_bytes(), answer["finished_on"], seconds, hybrid)
    if child.returncode:
        sys.exit(child.returncode)


def _cost_page(*, state: Path) -> Path:
    """The dashboard of the ledger that the server left behind: the bill, what was used, what idled."""
    page = OUTPUT / "cost.html"
    subprocess.run(
        _hybrid("dashboard", "--state", str(state / "serve"), "--window", "1h", "-o", str(page), "--json"),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return page


def _keep(drawn: list[Drawn], *, sheet: Path) -> None:
    """The pictures, the answers and the sheet, in the output folder."""
    OUTPUT.mkdir(exist_ok=True)
    for number, each in enumerate(drawn, start=1):
        (OUTPUT / f"{number:02d}.png").write_bytes(each.picture)
    answers = [{"prompt": each.prompt, "finished_on": each.finished_on, **each.hybrid} for each in drawn]
    (OUTPUT / "pictures.json").write_text(json.dumps(answers, indent=1))
    contact_sheet.draw(
        [contact_sheet.Tile(each.picture, each.prompt, each.finished_on, each.note) for each in drawn],
        title="One picture, two U-Nets",
        subtitle="A large U-Net draws the first k steps in the cloud; a small one finishes, there or on the device.",
        path=sheet,
    )


def _table(drawn: list[Drawn]) -> Table:
    """What each picture cost in the cloud, beside what it would have cost with the large network alone."""
    currency = drawn[0].hybrid["cost"]["currency"]
    total, alone = _sum(drawn, "cloud"), _sum(drawn, "all_cloud")
    table = Table(
        title=f"\nCloud cost in millionths of a {currency}, time in milliseconds",
        box=SIMPLE_HEAD,
        show_footer=True,
        pad_edge=False,
    )
    table.title_justify = table.caption_justify = "left"
    # Rich would shrink every column alike; only the prompts can do with less.
    prompt_width = max(12, min(64, console.width - 68))
    table.add_column("prompt", footer="[bold]all pictures[/]", no_wrap=True, overflow="ellipsis", width=prompt_width)
    table.add_column("where", no_wrap=True)
    for name in ("k", "large", "small", "edge"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, sum_of_all in (
        ("cost", _millionths(total)),
        ("alone", _millionths(alone)),
        ("saved", _saving(total, alone=alone)),
    ):
        table.add_column(name, footer=f"[bold]{sum_of_all}[/]", justify="right", no_wrap=True)
    for each in drawn:
        table.add_row(*_row(each))
    table.caption = _inputs(drawn[-1].hybrid["cost"]["all_cloud_inputs"])
    return table


def _inputs(inputs: dict[str, int]) -> str:
    """What the comparison was computed from."""
    step, encode, decode = (_milliseconds(inputs[f"{name}_nanoseconds"]) for name in ("step", "encode", "decode"))
    return (
        "Cost: engine time as measured, and bytes sent, at the sample's prices. Alone: every step on the large U-Net, "
        f"{inputs['steps']} steps × {inputs['rows_a_step']} rows × {step} ms, "
        f"encoding {encode} ms, decoding {decode} ms for the last picture; "
        "pictures.json has the figures of each."
    )


def _row(each: Drawn) -> list[str]:
    cost = each.hybrid["cost"]
    spent, seconds = cost["nanoseconds"], cost.get("edge_seconds")
    return [
        each.prompt,
        each.finished_on,
        f"{each.hybrid['split']}/{each.hybrid['steps']}",
        f"{spent.get('large', 0) / 1e6:.0f}",
        f"{spent['small'] / 1e6:.0f}" if spent.get("small") else "",
        f"{1000 * float(seconds):.0f}" if seconds else "",
        _millionths(Decimal(cost["cloud"])),
        _millionths(Decimal(cost["all_cloud"])),
        _saving(Decimal(cost["cloud"]), alone=Decimal(cost["all_cloud"])),
    ]


def _sum(drawn: list[Drawn], name: str) -> Decimal:
    return sum((Decimal(each.hybrid["cost"][name]) for each in drawn), start=Decimal(0))


def _millionths(amount: Decimal) -> str:
    return f"{amount * 1_000_000:.2f}"


def _saving(cost: Decimal, *, alone: Decimal) -> str:
    return f"{1 - cost / alone:.1%}"


def _milliseconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:.1f}"


def _hybrid(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hybrid_serving.cli", *arguments]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
