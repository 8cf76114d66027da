"""Draws a page of costs: four figures that answer at a glance, and beneath them why. Computes nothing."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hybrid_serving.cli.cost_page import CostPage

_INK, _QUIET, _GRID, _PAPER, _TILE = "#111827", "#6b7280", "#e5e7eb", "#ffffff", "#f3f4f6"
_GOOD, _BAD = "#15803d", "#b45309"
_COLOURS = {
    "used": "#1f6f8b",
    "step": "#1f6f8b",
    "encode": "#4c9bb3",
    "decode": "#7fbccf",
    "preview": "#b4dae4",
    "egress": "#5b5ea6",
    "sent bytes": "#5b5ea6",
    "idle": "#d1d5db",
    "padding": "#e9b872",
    "host": "#e07a3f",
    "startup": "#c0504d",
    "unattributed": "#7c2d12",
    "did cost": "#1f6f8b",
    "all in the cloud": "#9ca3af",
}
_MEANINGS = {
    "used": "requests",
    "step": "denoising steps",
    "encode": "encoding prompts",
    "decode": "decoding pictures",
    "preview": "previews",
    "egress": "bytes sent",
    "idle": "waiting for work",
    "padding": "filling up batches",
    "host": "between engine calls",
    "startup": "starting workers",
    "unattributed": "on no stopwatch",
    "did cost": "with the split",
    "all in the cloud": "all steps on the large network",
}
_OTHER = "#1f6f8b"
_ORDER = ("used", "host", "padding", "startup", "idle")
_MUCH_IDLE = 0.5


def draw(page: CostPage) -> Any:
    """The figure, ready to be saved."""
    import matplotlib as mpl  # noqa: PLC0415  # half a second, and only this needs it

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415  # after the backend is chosen

    figure = plt.figure(figsize=(15, 9.4), dpi=110, facecolor=_PAPER)
    tiles = figure.add_gridspec(1, 4, wspace=0.07, left=0.05, right=0.97, top=0.87, bottom=0.765)
    grid = figure.add_gridspec(
        2, 3, height_ratios=(1.75, 1), hspace=0.42, wspace=0.22, left=0.05, right=0.97, top=0.67, bottom=0.05
    )
    figure.text(0.05, 0.945, "What it cost", fontsize=21, fontweight="bold", color=_INK)
    figure.text(0.05, 0.912, _subtitle(page), fontsize=11, color=_QUIET)
    for index, tile in enumerate(_tiles(page)):
        _draw_tile(figure.add_subplot(tiles[index]), *tile)
    _draw_course(figure.add_subplot(grid[0, :2]), page)
    _draw_bars(figure.add_subplot(grid[0, 2]), page.by_kind, title="Where the money went", currency=page.currency)
    _draw_bars(figure.add_subplot(grid[1, 0]), page.by_tenant, title="Used, by tenant", currency=page.currency)
    _draw_bars(figure.add_subplot(grid[1, 1]), page.by_model, title="Used, by model", currency=page.currency)
    comparison = figure.add_subplot(grid[1, 2])
    _draw_bars(comparison, page.comparison, title="The same pictures, both ways", currency=page.currency)
    return figure


def save(figure: Any, *, kind: str) -> bytes:
    """The figure as a file of that kind: png or svg."""
    from matplotlib import pyplot as plt  # noqa: PLC0415  # `draw` has imported it

    file = io.BytesIO()
    figure.savefig(file, format=kind, facecolor=_PAPER)
    if kind == "png":
        plt.close(figure)
    return file.getvalue()


def money(amount: float, currency: str, *, beside: float | None = None) -> str:
    """An amount with three digits that say something, or as many decimals as the amount `beside` it has."""
    decimals, measure = 2, abs(amount if beside is None else beside)
    while decimals < 9 and 0 < measure * 10**decimals < 100:
        decimals += 1
    return f"{amount:,.{decimals}f} {currency}".strip()


def _subtitle(page: CostPage) -> str:
    start, end = (datetime.fromtimestamp(each, tz=UTC) for each in (page.window.start, page.window.end))
    which = "all resources" if page.window.resource == ".*" else page.window.resource
    return f"{which}   ·   {start:%d %b %Y %H:%M} to {end:%d %b %H:%M} UTC   ·   from {page.source}"


def _tiles(page: CostPage) -> list[tuple[str, str, str, str]]:
    """Heading, figure, what to make of it, colour."""
    made = sum(page.pictures.values())
    at_edge = page.pictures.get("edge", 0.0)
    each = f"{money(1000 * page.total / made, page.currency)} a thousand" if made else "none was made"
    saved = "nothing was compared" if page.saved is None else f"{money(page.saved_money or 0.0, page.currency)} less"
    good = _GOOD if (page.saved or 0.0) > 0 else _BAD
    idle = page.idle or 0.0
    waited = f"{money(idle * page.total, page.currency, beside=page.total)} went into waiting for work"
    return [
        ("COST", money(page.total, page.currency), "requests, and workers while they waited", _INK),
        ("SAVED BY THE SPLIT", _percent(page.saved), f"{saved} than all in the cloud" if page.saved else saved, good),
        ("IDLE", _percent(page.idle), waited, _BAD if idle > _MUCH_IDLE else _INK),
        ("PICTURES", f"{made:,.0f}", f"{at_edge:,.0f} on devices; {each}", _INK),
    ]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}".replace("%", " %")


def _draw_tile(axes: Any, heading: str, value: str, meaning: str, colour: str) -> None:
    axes.set_facecolor(_TILE)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    place = {"transform": axes.transAxes, "va": "center"}
    axes.text(0.05, 0.83, heading, fontsize=9, color=_QUIET, fontweight="bold", **place)
    axes.text(0.05, 0.49, value, fontsize=23, color=colour, fontweight="bold", **place)
    axes.text(0.05, 0.15, meaning, fontsize=9, color=_QUIET, **place)


def _draw_course(axes: Any, page: CostPage) -> None:
    from matplotlib import dates  # noqa: PLC0415  # see `draw`

    names = [name for name in _ORDER if name in page.course]
    names += [name for name in page.course if name not in names]
    moments = sorted({moment for points in page.course.values() for moment, _ in points})
    rows = [[dict(page.course[name]).get(moment, 0.0) for moment in moments] for name in names]
    times = [datetime.fromtimestamp(moment, tz=UTC) for moment in moments]
    if len(moments) > 1:
        colours = [_COLOURS.get(name, _OTHER) for name in names]
        labels = [_MEANINGS.get(name, name) for name in names]
        axes.stackplot(times, rows, labels=labels, colors=colours, linewidth=0)
        axes.legend(loc="upper left", ncols=len(names), frameon=False, fontsize=9, labelcolor=_INK)
        axes.set_ylim(0, 1.22 * max(map(sum, zip(*rows, strict=True))) or 1)
        axes.set_xlim(times[0], times[-1])
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(axes.xaxis.get_major_locator()))
    _dress(axes, title=f"Cost an hour, {page.currency}")
    axes.grid(visible=True, axis="y", color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def _draw_bars(axes: Any, amounts: Mapping[str, float], *, title: str, currency: str) -> None:
    shown = [(name, amount) for name, amount in amounts.items() if amount > 0][:8]
    positions = range(len(shown))
    most = max((amount for _, amount in shown), default=1.0)
    axes.barh(
        list(positions),
        [amount for _, amount in shown],
        color=[_COLOURS.get(name, _OTHER) for name, _ in shown],
        height=0.34,
    )
    for position, (name, amount) in zip(positions, shown, strict=True):
        axes.text(0, position - 0.27, _MEANINGS.get(name, name) or "-", fontsize=9, color=_INK, va="bottom")
        axes.text(1.02 * most, position, _beside(amount, most, currency), fontsize=9, color=_INK, va="center")
    axes.set_ylim(max(len(shown), 2) - 0.4, -0.75)
    axes.set_xlim(0, 1.45 * most)
    _dress(axes, title=title)
    axes.set_xticks([])
    axes.set_yticks([])


def _beside(amount: float, most: float, currency: str) -> str:
    """An amount as its longest neighbour is written; what is too small for that is not called nothing."""
    text = money(amount, currency, beside=most)
    if any(digit in text for digit in "123456789"):
        return text
    return f"< {text.replace('0 ', '1 ', 1)}"


def _dress(axes: Any, *, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=12, color=_INK, fontweight="bold", pad=10)
    axes.tick_params(axis="both", colors=_QUIET, length=0, labelsize=9)
    for spine in axes.spines.values():
        spine.set_visible(False)
