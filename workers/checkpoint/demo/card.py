"""Writes the demonstration model's card: what it knows, how it was trained, how well it paints. Measures nothing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from workers.checkpoint.demo.models.ar import NUM_CODES
from workers.checkpoint.demo.world.scenes import COLOURS, LONGEST_WORD, PATTERNS, PLACES, SHAPES, SIZES

HISTORY = "history.md"  # in the folder of the training: what the states don't tell, for example that it began elsewhere
_STATES = {
    "vae": "VAE",
    "vae_decoder": "VAE's decoder",
    "vq": "eyes (vision encoder, codebook)",
    "ar": "AR",
    "glyphs": "glyph encoder",
    "dit": "DiT, glyph encoder",
}


@dataclass(frozen=True, slots=True)
class Score:
    """One figure of the evaluation: a share of `number` pictures, and its 95 % interval by Wilson."""

    figure: str
    at_least: float | None
    share: float
    low: float
    high: float
    number: int


def read_scores(path: Path) -> Sequence[Score]:
    """From a JSON list with one object for each figure, whose keys are the fields of `Score`."""
    return [Score(**row) for row in json.loads(path.read_text(encoding="utf-8"))]


def card_of(folder: Path, scores: Sequence[Score]) -> str:
    """The card of what was trained in `folder`, in Markdown. A `history.md` there follows the steps and times."""
    return _CARD.format(
        colours=", ".join(COLOURS),
        shapes=", ".join(SHAPES),
        sizes=", ".join(name for name in SIZES if name),
        places=", ".join(PLACES),
        patterns=", ".join(PATTERNS),
        longest=LONGEST_WORD,
        codes=f"{NUM_CODES:,}",
        training=_training(folder),
        scores=_scores_table(scores),
    )


def _training(folder: Path) -> str:
    rows = ["| part | steps | minutes |", "|---|---|---|"]
    for name, said in _STATES.items():
        if (folder / f"{name}.pt").is_file():
            state = torch.load(folder / f"{name}.pt", weights_only=True, mmap=True)
            minutes = f"{state['seconds'] / 60:.0f}" if "seconds" in state else "not kept"
            rows.append(f"| {said} | {state['step']:,} | {minutes} |")
    history = folder / HISTORY
    return "\n".join([*rows, "", history.read_text(encoding="utf-8").strip()] if history.is_file() else rows)


def _scores_table(scores: Sequence[Score]) -> str:
    if not scores:
        return "Not measured yet."
    rows = ["| figure | goal | found | 95 % interval | pictures |", "|---|---|---|---|---|"]
    for one in scores:
        goal = "" if one.at_least is None else f"{one.at_least:.0%}"
        rows.append(f"| {one.figure} | {goal} | {one.share:.1%} | {one.low:.1%} to {one.high:.1%} | {one.number} |")
    return "\n".join(rows)


_CARD = """\
---
license: mit
library_name: diffusers
pipeline_tag: text-to-image
---

# A small demonstration model of GLM-Image's classes

Nine million weights in the classes and the folder layout of `zai-org/GLM-Image`: VAE, vision encoder with a codebook
of {codes} codes, AR model, glyph encoder, DiT. It shows what the service does. It is no substitute for the real model,
of which it has no weight: `GRIDPRESS_MODEL=zai-org/GLM-Image` serves that one.

## Prompts that it knows

- `a COLOUR SHAPE on a COLOUR background`, the least that it knows: `a red circle on a white background`. Up to three
  shapes, each with its own colour, size and place:
  `a small red star on the left and a small blue ring on the right on a white background`.
- Quoted text of 1 to {longest} letters A-Z and digits, drawn in capitals: `a red poster that says "OPEN"`,
  `a white card with the text "TART" in purple`, `a green heart at the top on a yellow background with the word "SALE"`.
- Edits of one or two pictures: `make the background blue`, `replace the circle with a star`, `paint the star red`,
  `put the shape of the first picture on the background of the second`.

Colours: {colours}. Shapes: {shapes}. Sizes: {sizes}, or none named. Places: {places}. Backgrounds: {patterns}.
It ignores whatever else a prompt says. Several quoted texts in one prompt were never in its training.

Sampling: temperature 0.9 and top-p 0.75 for visual tokens, guidance 1.5, 20 denoise steps. Pictures of 256x256 to
512x512 with sides up to 2:1 were in its training; condition pictures were square. Larger pictures lose sharpness and
may repeat shapes.

## Data

All pictures are drawn by code (`workers/checkpoint/demo/`), each from its own seed; there is no data set. The letters
are DejaVu Sans Bold, which derives from Bitstream Vera; its licence allows that. Of the 336 triples of shape,
colour and background 87 are held out, and a fifth of all words (by CRC-32 of their text). Training never draws them,
neither in pictures nor in edits.

## Training

{training}

Two CPU cores, float32 weights with products in bfloat16; AdamW, and Muon for the matrices of the transformers. The
stored weights are exponential averages, in float16. `make train-demo` repeats it.

## Scores

On held-out prompts, through the whole service, 256x256, 20 steps. The interval is Wilson's.

{scores}

## Licence

MIT, weights and code.
"""
