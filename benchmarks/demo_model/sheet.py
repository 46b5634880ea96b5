"""Makes the contact sheet of the docs: the first pictures of every kind with their prompts.

Never selects pictures by their looks.
"""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from benchmarks.demo_model.cases import Case
from workers.checkpoint.demo.world.drawing import draw

TITLE = "Small demonstration model; GLM-Image itself needs a GPU: GRIDPRESS_MODEL=zai-org/GLM-Image gridpress up"
_NUM = {"scene": 12, "text": 12, "edit": 6}
_COLUMNS, _CELL_PX, _CAPTION_PX, _GAP_PX, _TITLE_PX = 6, 150, 52, 12, 40
_PAPER, _INK = "#f6f5f2", "#1c1c1c"


def first_of(kind: str, cases: Sequence[Case]) -> Sequence[Case]:
    """Returns the cases on the sheet: the first ones, however good their pictures are."""
    return cases[: _NUM[kind]]


def write_sheet(path: Path, folder: Path, cases: Sequence[Case]) -> None:
    """Writes the pictures of `folder` as one sheet. An edit has two cells: its condition images and its result."""
    cells = [cell for case in cases for cell in _cells(case, folder)]
    rows = -(-len(cells) // _COLUMNS)
    width = _GAP_PX + _COLUMNS * (_CELL_PX + _GAP_PX)
    sheet = Image.new("RGB", (width, _TITLE_PX + rows * (_CELL_PX + _CAPTION_PX)), _PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP_PX, 12), TITLE, _INK, ImageFont.load_default(15))
    for index, (picture, caption) in enumerate(cells):
        row, column = divmod(index, _COLUMNS)
        corner = (_GAP_PX + column * (_CELL_PX + _GAP_PX), _TITLE_PX + row * (_CELL_PX + _CAPTION_PX))
        sheet.paste(picture, corner)
        text = textwrap.fill(caption, 26, max_lines=3)
        pen.multiline_text((corner[0], corner[1] + _CELL_PX + 4), text, _INK, ImageFont.load_default(11), spacing=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def _cells(case: Case, folder: Path) -> list[tuple[Image.Image, str]]:
    with Image.open(folder / f"{case.name}.png") as picture:
        result = picture.convert("RGB").resize((_CELL_PX, _CELL_PX), Image.Resampling.LANCZOS)
    return [(_given(case), "given:"), (result, case.prompt)] if case.before else [(result, case.prompt)]


def _given(case: Case) -> Image.Image:
    """Returns the condition images side by side."""
    cell = Image.new("RGB", (_CELL_PX, _CELL_PX), _PAPER)
    side = _CELL_PX // len(case.before)
    for index, scene in enumerate(case.before):
        cell.paste(draw(scene, side, side), (index * side, 0))
    return cell
