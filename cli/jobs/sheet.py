"""The contact sheet: every picture as a thumbnail with a caption, and a line about all of them."""

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
    """One picture on the sheet: its file, a title and a smaller line below."""

    path: Path
    title: str
    note: str


def contact_sheet(prints: Sequence[Print], path: Path, footer: str = "") -> None:
    """Writes all prints, four in a row, as one PNG; below them `footer`, if there is one."""
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
    """Puts the picture into its cell, bottoms of a row on one line, and its caption below."""
    with Image.open(item.path) as picture:
        thumbnail = ImageOps.contain(picture.convert("RGB"), (_CELL_PX, _CELL_PX))
    sheet.paste(thumbnail, (left, top + _CELL_PX - thumbnail.height))
    draw = ImageDraw.Draw(sheet)
    draw.text((left, top + _CELL_PX + 8), item.title, _INK, ImageFont.load_default(18))
    draw.text((left, top + _CELL_PX + 32), item.note, _GREY, ImageFont.load_default(14))
