"""`hybrid dashboard`: the cost dashboard as one HTML page and one picture, for those without Grafana."""

import base64
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from hybrid_serving.cli import cost_figure, cost_html, cost_page, output, windows
from hybrid_serving.cli.cost_page import Window
from hybrid_serving.cli.failures import Failure
from hybrid_serving.cli.prometheus import Prometheus

EXAMPLES = """[bold]Examples[/]

hybrid dashboard --prometheus http://127.0.0.1:9090

hybrid dashboard --window 7d --resource shapes -o week.html"""

Url = Annotated[str, typer.Option("--prometheus", help="Address of a Prometheus.", envvar="HYBRID_PROMETHEUS")]
WindowOption = Annotated[str, typer.Option("--window", help="How far back to look: a number with m, h or d.")]
Resource = Annotated[str, typer.Option(help="Only resources whose name matches this regular expression.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Where the page goes; the picture goes beside it.")]


def dashboard(
    *,
    prometheus: Url = "http://127.0.0.1:9090",
    window: WindowOption = "24h",
    resource: Resource = ".*",
    output_path: Output = Path("cost.html"),
    as_json: output.Json = False,
) -> None:
    """Draw what serving cost, who used it, what the split saved and what idled."""
    end = time.time()
    seconds = windows.seconds(window)
    with Prometheus(prometheus) as asked:
        page = cost_page.read(asked, Window(start=end - seconds, end=end, resource=resource))
    if page.is_empty:
        raise Failure(
            f"Prometheus at {prometheus} knows of no cost in the last {window}; "
            "does it scrape the service, with the shipped configuration?"
        )
    picture = output_path.with_suffix(".png")
    _write(page, page_path=output_path, picture_path=picture)
    document = {"page": str(output_path), "picture": str(picture), "currency": page.currency, "total": page.total}
    document |= {"saved": page.saved, "idle": page.idle}
    output.show(document, Text(f"Page: {output_path}\nPicture: {picture}"), as_json=as_json)


def _write(page: cost_page.CostPage, *, page_path: Path, picture_path: Path) -> None:
    try:
        figure = cost_figure.draw(page)
    except ImportError as error:
        raise Failure("The page needs matplotlib; install `hybrid-diffusion[engines]`.") from error
    vector = base64.b64encode(cost_figure.save(figure, kind="svg")).decode()
    try:
        page_path.parent.mkdir(parents=True, exist_ok=True)
        page_path.write_text(cost_html.render(page, picture=f"data:image/svg+xml;base64,{vector}"), encoding="utf-8")
        picture_path.write_bytes(cost_figure.save(figure, kind="png"))
    except OSError as error:
        raise Failure(f"{page_path} cannot be written ({error.strerror}); choose another place with `-o`.") from error
