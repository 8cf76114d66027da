"""Pictures on one sheet, each with its prompt and how it came about. Draws only; knows no service."""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SIDE, GAP, MARGIN, COLUMNS = 208, 28, 48, 4
CAPTION_HEIGHT, HEADER_HEIGHT = 96, 108
PAPER, INK, QUIET, FRAME = "#fbfaf7", "#1c1f26", "#6f7480", "#dddbd4"
BADGES = {"edge": ("#e3f1e6", "#1d6b3a"), "cloud": ("#e5edf9", "#23508f")}


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of the sheet."""

    picture: bytes
    prompt: str
    finished_on: str
    """`edge` or `cloud`."""
    note: str


def draw(tiles: Sequence[Tile], *, title: str, subtitle: str, path: Path) -> None:
    """Write the sheet as PNG."""
    rows = -(-len(tiles) // COLUMNS)
    width = 2 * MARGIN + COLUMNS * SIDE + (COLUMNS - 1) * GAP
    height = MARGIN + HEADER_HEIGHT + rows * (SIDE + CAPTION_HEIGHT) + (rows - 1) * GAP + MARGIN
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, MARGIN), title, font=_font(32), fill=INK)
    pen.text((MARGIN, MARGIN + 46), subtitle, font=_font(17), fill=QUIET)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, COLUMNS)
        left = MARGIN + column * (SIDE + GAP)
        top = MARGIN + HEADER_HEIGHT + row * (SIDE + CAPTION_HEIGHT + GAP)
        _tile(sheet, tile, left=left, top=top)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _tile(sheet: Image.Image, tile: Tile, *, left: int, top: int) -> None:
    pen = ImageDraw.Draw(sheet)
    picture = Image.open(io.BytesIO(tile.picture)).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    sheet.paste(picture, (left, top), _rounded((SIDE, SIDE), radius=14))
    pen.rounded_rectangle((left, top, left + SIDE - 1, top + SIDE - 1), radius=14, outline=FRAME)
    fill, ink = BADGES[tile.finished_on]
    font, top = _font(13), top + SIDE + 10
    width = pen.textlength(tile.note, font=font) + 16
    pen.rounded_rectangle((left, top, left + width, top + 21), radius=10, fill=fill)
    pen.text((left + 8, top + 10.5), tile.note, font=font, fill=ink, anchor="lm")
    for number, line in enumerate(textwrap.wrap(tile.prompt, width=29)[:3]):
        pen.text((left, top + 29 + 19 * number), line, font=_font(15), fill=INK)


def _rounded(size: tuple[int, int], *, radius: int) -> Image.Image:
    """A mask with round corners, drawn large and shrunk so that its edge is smooth."""
    large = Image.new("L", (4 * size[0], 4 * size[1]), 0)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, *large.size), radius=4 * radius, fill=255)
    return large.resize(size, Image.Resampling.LANCZOS)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
