"""`hybrid dashboard`: the cost dashboard as one HTML page and one picture, for those without Grafana."""

import base64
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from hybrid_serving.cli import cost_figure, cost_html, cost_page, ledger_page, ledgers, output, windows
from hybrid_serving.cli.cost_page import Window
from hybrid_serving.cli.failures import Failure, reported
from hybrid_serving.cli.prometheus import Prometheus
from hybrid_serving.ledger import store

EXAMPLES = """[bold]Examples[/]

hybrid dashboard   [dim]# of `hybrid serve` on this machine[/]

hybrid dashboard --window 7d --resource shapes -o week.html

hybrid dashboard --prometheus http://127.0.0.1:9090"""

Url = Annotated[
    str | None,
    typer.Option("--prometheus", help="Ask this Prometheus instead of the ledger.", envvar="HYBRID_PROMETHEUS"),
]
WindowOption = Annotated[str, typer.Option("--window", help="How far back to look: a number with m, h or d.")]
Resource = Annotated[str, typer.Option(help="Only resources whose name matches this regular expression.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Where the page goes; the picture goes beside it.")]


def dashboard(
    *,
    prometheus: Url = None,
    ledger: ledgers.Address = None,
    state: ledgers.State = None,
    window: WindowOption = "24h",
    resource: Resource = ".*",
    output_path: Output = Path("cost.html"),
    as_json: output.Json = False,
) -> None:
    """Draw what serving cost, who used it, what the split saved and what idled."""
    end = time.time()
    seconds = windows.seconds(window)
    asked = Window(start=end - seconds, end=end, resource=resource)
    page = _of_prometheus(prometheus, asked) if prometheus else _of_ledger(ledger, asked, state=state)
    if page.is_empty:
        scraped = " Does it scrape the service, with the shipped configuration?" if prometheus else ""
        raise Failure(f"Nothing is known of the last {window} to {prometheus or 'the ledger'}.{scraped}")
    picture = output_path.with_suffix(".png")
    _write(page, page_path=output_path, picture_path=picture)
    document = {"page": str(output_path), "picture": str(picture), "currency": page.currency, "total": page.total}
    document |= {"saved": page.saved, "idle": page.idle}
    output.show(document, Text(f"Page: {output_path}\nPicture: {picture}"), as_json=as_json)


def _of_prometheus(url: str, window: Window) -> cost_page.CostPage:
    with Prometheus(url) as asked:
        return cost_page.read(asked, window)


def _of_ledger(address: str | None, window: Window, *, state: Path | None) -> cost_page.CostPage:
    with reported(failure=(store.LedgerError,)):
        kept = store.connect(ledgers.address(address, state=state), is_read_only=True)
        found = ledger_page.read(kept, window)
        kept.close()
    return found


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
