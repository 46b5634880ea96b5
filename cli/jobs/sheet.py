"""Draws a contact sheet: one image with a captioned thumbnail of each picture, and a footer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

_COLUMNS = 4
_CELL_PX = 320
_CAPTION_PX = 52
_GAP_PX = 24
_FOOTER_PX = 42
_PAPER, _INK, _GREY = "#f6f5f2", "#1c1c1c", "#6f6f6f"


@dataclass(frozen=True, slots=True)
class Print:
    """One picture on a contact sheet: its file, a title, and a note in smaller letters below the title."""

    path: Path
    title: str
    note: str


def contact_sheet(prints: Sequence[Print], path: Path, footer: str = "") -> None:
    """Writes a contact sheet as one PNG file. It shows all pictures, four in a row, and `footer` below them."""
    rows = -(-len(prints) // _COLUMNS)
    width = _GAP_PX + _COLUMNS * (_CELL_PX + _GAP_PX)
    end = _GAP_PX + rows * (_CELL_PX + _CAPTION_PX + _GAP_PX)
    sheet = Image.new("RGB", (width, end + (_FOOTER_PX if footer else 0)), _PAPER)
    ImageDraw.Draw(sheet).text((_GAP_PX, end), footer, _INK, ImageFont.load_default(18))
    for index, item in enumerate(prints):
        row, column = divmod(index, _COLUMNS)
        left = _GAP_PX + column * (_CELL_PX + _GAP_PX)
        _mount(sheet, item, left, _GAP_PX + row * (_CELL_PX + _CAPTION_PX + _GAP_PX))
    sheet.save(path, optimize=True)


def _mount(sheet: Image.Image, item: Print, left: int, top: int) -> None:
    """Draws a picture and its caption into a cell of the contact sheet. Pictures in a row are aligned at the bottom."""
    with Image.open(item.path) as picture:
        thumbnail = ImageOps.contain(picture.convert("RGB"), (_CELL_PX, _CELL_PX))
    sheet.paste(thumbnail, (left, top + _CELL_PX - thumbnail.height))
    draw = ImageDraw.Draw(sheet)
    draw.text((left, top + _CELL_PX + 8), item.title, _INK, ImageFont.load_default(18))
    draw.text((left, top + _CELL_PX + 32), item.note, _GREY, ImageFont.load_default(14))
