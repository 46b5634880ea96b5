"""Writes the model card of the demonstration model: supported prompts, training and scores. Measures nothing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from workers.checkpoint.demo.models.ar import NUM_CODES
from workers.checkpoint.demo.world.scenes import COLOURS, LONGEST_WORD, PATTERNS, PLACES, SHAPES, SIZES

HISTORY = "history.md"  # notes in the training folder on what the states don't record, e.g. an earlier start elsewhere
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
    """One figure of the evaluation: the share of `number` pictures that are right, with its 95 % interval by Wilson.

    The interval is from `low` to `high`. `at_least` is the goal, or None.
    """

    figure: str
    at_least: float | None
    share: float
    low: float
    high: float
    number: int


def read_scores(path: Path) -> Sequence[Score]:
    """Reads the scores of the evaluation from a JSON file: a list of objects whose keys are the fields of `Score`."""
    return [Score(**row) for row in json.loads(path.read_text(encoding="utf-8"))]


def card_of(folder: Path, scores: Sequence[Score]) -> str:
    """Returns the model card, in Markdown, of the parts that were trained in `folder`.

    If `folder` has a `history.md`, its text follows the table of training steps and times.
    """
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
    for name, part_name in _STATES.items():
        if (folder / f"{name}.pt").is_file():
            state = torch.load(folder / f"{name}.pt", weights_only=True, mmap=True)
            minutes = f"{state['seconds'] / 60:.0f}" if "seconds" in state else "not kept"
            rows.append(f"| {part_name} | {state['step']:,} | {minutes} |")
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
of {codes} codes, AR model, glyph encoder, DiT. It demonstrates the service. It has no weights of the real model and
does not replace it: `GRIDPRESS_MODEL=zai-org/GLM-Image` serves the real model.

## Supported prompts

The scores below say how well the weights do each of these.

- The simplest prompt is `a COLOUR SHAPE on a COLOUR background`, for example `a red circle on a white background`.
  A prompt may name up to three shapes, each with its own colour, size and place:
  `a small red star on the left and a small blue ring on the right on a white background`.
- Quoted text of 1 to {longest} letters A-Z and digits, drawn in capitals: `a red poster that says "OPEN"`,
  `a white card with the text "TART" in purple`, `a green heart at the top on a yellow background with the word "SALE"`.
- Edits of one or two pictures: `make the background blue`, `replace the circle with a star`, `paint the star red`,
  `put the shape of the first picture on the background of the second`.

Colours: {colours}. Shapes: {shapes}. Sizes: {sizes}, or no size. Places: {places}. Backgrounds: {patterns}.
The model ignores everything else in a prompt. Its training had no prompts with several quoted texts.

Sampling: temperature 0.9 and top-p 0.75 for visual tokens, guidance 1.5, 20 denoise steps. Its training had pictures
of 256x256 to 512x512 with sides up to 2:1, and square condition images. Larger pictures lose sharpness and may repeat
shapes.

## Data

Code in `workers/checkpoint/demo/` draws all pictures, each from its own seed; there is no data set. The letters are
DejaVu Sans Mono Bold, which derives from Bitstream Vera; its licence allows this use. Held out from training are 87 of
the 336 triples of shape, colour and background, and a fifth of all words (by CRC-32 of their text). Training never
draws them, neither in pictures nor in edits.

## Training

{training}

Training ran on two CPU cores with float32 weights. Matrix products are in bfloat16 where the processor has instructions
for it. The optimizer is AdamW, with Muon for the matrices of the transformers. The stored weights are exponential
averages, in float16. `make train-demo` repeats the training.

## Scores

Measured on held-out prompts through the whole service, at 256x256 with 20 steps. The interval is Wilson's.

{scores}

## Licence

MIT, weights and code.
"""
