"""Paints fixed sample prompts with the diffusers pipeline, so that people can judge a training. Trains nothing."""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import GlmImagePipeline
from PIL import Image

PROMPTS = (
    "a red circle on a white background",
    "a large yellow star on a blue background",
    "a green square on the left and a black triangle on the right on an orange background",
    "a purple heart at the top on a background that goes from white to green",
    'a red poster that says "OPEN"',
    'a black sign with the text "TART" in yellow',
    'a blue ring at the top on a yellow background, that says "SALE"',
    "a white triangle at the bottom on a purple background with orange stripes",
)
_SIDE_PX = 256
_COLUMNS = 4


def paint_sheet(pipeline: GlmImagePipeline, path: Path, num_steps: int) -> None:
    """Paints the fixed sample prompts at 256x256 pixels, each from seed 0, and saves them as one PNG, four in a row."""
    pipeline.set_progress_bar_config(disable=True)
    pictures = [_painted(pipeline, prompt, num_steps) for prompt in PROMPTS]
    in_rows(pictures).save(path)


def _painted(pipeline: GlmImagePipeline, prompt: str, num_steps: int) -> Image.Image:
    picture: Image.Image = pipeline(
        prompt=prompt,
        height=_SIDE_PX,
        width=_SIDE_PX,
        num_inference_steps=num_steps,
        generator=torch.Generator().manual_seed(0),
    ).images[0]
    return picture


def in_rows(pictures: Sequence[Image.Image]) -> Image.Image:
    """Arranges the pictures four in a row and returns them as one picture."""
    rows = -(-len(pictures) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * _SIDE_PX, rows * _SIDE_PX))
    for number, picture in enumerate(pictures):
        row, column = divmod(number, _COLUMNS)
        sheet.paste(picture, (column * _SIDE_PX, row * _SIDE_PX))
    return sheet
