"""A page of costs as one HTML file without anything beside it: the drawing, and its figures as a table."""

from collections.abc import Iterator
from html import escape

from hybrid_serving.cli import cost_page, ledger_page
from hybrid_serving.cli.cost_figure import money
from hybrid_serving.cli.cost_page import CostPage

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Hybrid Diffusion: what it cost</title>
<style>
  body {{ font: 15px/1.5 system-ui, sans-serif; color: #111827; max-width: 1240px; margin: 0 auto; padding: 1rem; }}
  img {{ width: 100%; height: auto; }}
  table {{ border-collapse: collapse; margin: 1rem 0; }}
  th, td {{ text-align: left; padding: .25rem 1.5rem .25rem 0; border-bottom: 1px solid #e5e7eb; }}
  td:last-child {{ text-align: right; font-variant-numeric: tabular-nums; }}
  p {{ color: #6b7280; }}
</style>
<img alt="{alt}" src="{picture}">
<table>
<tr><th>group</th><th>what</th><th>{currency}</th></tr>
{rows}
</table>
<p>{source} A saving is 1 - what finished pictures cost / what they would have cost with every
step on the first segment, at the pace measured on the same pictures.</p>
</html>
"""
_SOURCES = {
    cost_page.SOURCE: "Counters of Prometheus, which lose what a process counted between its last scrape and its end. "
    "The exact sums are in the ledger: <code>hybrid cost</code>.",
    ledger_page.SOURCE: "Exact sums of the ledger; <code>hybrid cost</code> has them as a table.",
}


def render(page: CostPage, *, picture: str) -> str:
    """The page; `picture` is the address of the drawing, or the drawing itself as a data address."""
    return _PAGE.format(
        alt=escape(_alternative(page)),
        picture=picture,
        currency=escape(page.currency),
        rows="\n".join(_rows(page)),
        source=_SOURCES[page.source],
    )


def _alternative(page: CostPage) -> str:
    """What the drawing says, for those who cannot see it."""
    saved = "nothing was compared" if page.saved is None else f"the split saved {page.saved:.1%}"
    idle = "" if page.idle is None else f", {page.idle:.1%} of the cost was idle"
    return f"It cost {money(page.total, page.currency)}, {saved}{idle}."


def _rows(page: CostPage) -> Iterator[str]:
    groups = (
        ("where the money went", page.by_kind),
        ("used, by tenant", page.by_tenant),
        ("used, by model", page.by_model),
        ("the same pictures", page.comparison),
    )
    yield f"<tr><td>all</td><td></td><td>{page.total:.9f}</td></tr>"
    for group, amounts in groups:
        for name, amount in amounts.items():
            yield f"<tr><td>{escape(group)}</td><td>{escape(name)}</td><td>{amount:.9f}</td></tr>"
