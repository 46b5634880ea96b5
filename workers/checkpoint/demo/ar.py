"""Trains the AR model: from a prompt, and condition pictures, to visual tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import GlmImageForConditionalGeneration

from shared.geometry import small_grid
from workers.checkpoint.demo.ar_sheet import show_drawn
from workers.checkpoint.demo.loop import Recipe, train
from workers.checkpoint.demo.models import ar as ar_model
from workers.checkpoint.demo.models.attention import plain_attention
from workers.checkpoint.demo.models.drawer import Drawer
from workers.checkpoint.demo.models.encoders import CELL_PX, CONDITION_CELLS, Encoders, tensors_of
from workers.checkpoint.demo.models.probe import UNKNOWN, outputs_of
from workers.checkpoint.demo.world.edits import random_edit
from workers.checkpoint.demo.world.prompts import prompt_of
from workers.checkpoint.demo.world.scenes import Scene, exact, random_scene, random_shapes

RECIPE = Recipe(num_steps=10_000, learning_rate=1.5e-3, average=0.999, weight_decay=0.02, has_muon=True)
_PROBED, _PROBE_WEIGHT = 1, 0.1  # a layer, and what its guesses count
_TOKENS_A_STEP = 4_000
_TOKENS_OF_EDIT = 600  # of a sequence, about, with one condition picture
_TOKENS_OF_DRAFT = 280  # of a prompt and its small grid, about
_SIZES = (*((8, 8),) * 6, (8, 12), (12, 8), (8, 16), (16, 8), (12, 12), (16, 16))  # cells
_EDITS = 0.15  # of all batches
_WORDLESS = 0.6  # of scenes with a word: others instead. The DiT spells by its glyphs, so few are enough

Cells = tuple[int, int]  # rows and columns of visual tokens


@dataclass(frozen=True, slots=True)
class Sample:
    """One sequence. `asked` ends with the start token; `drawn` are the grids of `cells` and the end token.

    `grids` is what the processor tells the model: (images, 3), condition pictures first, the large target, the small
    one.
    """

    asked: list[int]
    drawn: list[int]
    cells: Sequence[Cells]
    grids: Tensor


def fit(folder: Path, model: GlmImageForConditionalGeneration, encoders: Encoders) -> Drawer:
    """Trains the language model of `model`, whose eyes are trained, to the end, or goes on."""
    drawer = Drawer(model)
    model.model.visual.requires_grad_(requires_grad=False)
    model.model.vqmodel.requires_grad_(requires_grad=False)
    start_from_codebook(model, encoders)

    def loss(rng: Random, _: float) -> Mapping[str, Tensor]:
        return loss_of(drawer, batch_of(rng, encoders))

    def show(averaged: Drawer) -> None:
        show_drawn(averaged.ar, encoders, folder / "ar.png")

    return train(drawer, loss, RECIPE, folder / "ar.pt", on_save=show)


@torch.no_grad()
def start_from_codebook(model: GlmImageForConditionalGeneration, encoders: Encoders) -> None:
    """Codes that look alike begin with embeddings that are alike."""
    rows = model.get_input_embeddings().weight[: ar_model.NUM_CODES]
    rows.copy_(encoders.embeddings(rows.shape[1], seed=5) * rows.std())


def batch_of(rng: Random, encoders: Encoders) -> Sequence[Sample]:
    """Samples of one size: some edits, or more scenes."""
    cells = rng.choice(_SIZES)
    if rng.random() < _EDITS:
        return [sample_of_edit(rng, cells, encoders) for _ in range(_TOKENS_A_STEP // _TOKENS_OF_EDIT)]
    num = _TOKENS_A_STEP // (_TOKENS_OF_DRAFT + cells[0] * cells[1])
    return samples_of_scenes([scene_of(rng) for _ in range(num)], cells, encoders, rng)


def scene_of(rng: Random) -> Scene:
    """A scene to learn from, with shapes exactly where its prompt says."""
    scene = random_scene(rng)
    if scene.word and rng.random() < _WORDLESS:
        scene = random_shapes(rng, rng.choice((1, 1, 1, 2, 3)))
    return exact(scene)


def samples_of_scenes(scenes: Sequence[Scene], cells: Cells, encoders: Encoders, rng: Random) -> Sequence[Sample]:
    """Text to picture: the small grid is drawn first."""
    small = small_grid(cells[1] * CELL_PX, cells[0] * CELL_PX)
    draft = (small.rows, small.cols)
    large_codes, small_codes = (
        encoders.codes(tensors_of(scenes, grid)[1]).flatten(1).tolist() for grid in (cells, draft)
    )
    grids = torch.tensor([[1, *cells], [1, *draft]])
    return [
        Sample(
            ar_model.prompt_ids(prompt_of(scene, rng), (cells, draft)),
            [*first, *second, ar_model.END_ID],
            (draft, cells),
            grids,
        )
        for scene, first, second in zip(scenes, small_codes, large_codes, strict=True)
    ]


def sample_of_edit(rng: Random, cells: Cells, encoders: Encoders) -> Sample:
    """Picture to picture: the large grid alone."""
    edit = random_edit(rng)
    square = (CONDITION_CELLS, CONDITION_CELLS)
    seen = encoders.codes(tensors_of(edit.before, square)[1]).flatten(1).tolist()
    drawn = encoders.codes(tensors_of([edit.after], cells)[1]).flatten().tolist()
    shown = [token for codes in seen for token in (ar_model.START_ID, *codes, ar_model.END_ID)]
    grids = torch.tensor([*([1, *square] for _ in seen), [1, *cells]])
    asked = [*shown, *ar_model.prompt_ids(edit.instruction, (cells,))]
    return Sample(asked, [*drawn, ar_model.END_ID], (cells,), grids)


def loss_of(drawer: Drawer, samples: Sequence[Sample]) -> Mapping[str, Tensor]:
    """Cross entropy of the drawn tokens, and of the probe's guesses."""
    layer = drawer.ar.model.language_model.layers[_PROBED]
    with torch.autocast("cpu", torch.bfloat16), plain_attention(), outputs_of(layer) as states:
        logits = _logits(drawer.ar, samples)
    tokens = F.cross_entropy(logits.float(), torch.tensor([token for one in samples for token in one.drawn]))
    place = drawer.probe.loss(_before_drawn(states[0], samples), torch.cat([places_of(one.cells) for one in samples]))
    return {"loss": tokens + _PROBE_WEIGHT * place, "tokens": tokens, "place": place}


def places_of(drawn: Sequence[Cells]) -> Tensor:
    """(drawn tokens, 2): the row and the column of each in its grid. The end token has none."""
    grids = [torch.cartesian_prod(torch.arange(rows), torch.arange(cols)) for rows, cols in drawn]
    return torch.cat([*grids, torch.full((1, 2), UNKNOWN)])


def _logits(model: GlmImageForConditionalGeneration, samples: Sequence[Sample]) -> Tensor:
    """(drawn tokens of all samples, vision vocabulary). Pads are on the right, which nothing before them sees."""
    ids = pad_sequence([torch.tensor(one.asked + one.drawn[:-1]) for one in samples], batch_first=True)
    places = [positions_of(model, one) for one in samples]
    positions = pad_sequence([place.T for place in places], batch_first=True).permute(2, 0, 1)
    hidden = model.model.language_model(inputs_embeds=model.get_input_embeddings()(ids), position_ids=positions)
    logits: Tensor = model.lm_head(_before_drawn(hidden.last_hidden_state, samples))
    return logits


def _before_drawn(states: Tensor, samples: Sequence[Sample]) -> Tensor:
    """(drawn tokens of all samples, width): the states that tell the drawn tokens, from (samples, tokens, width)."""
    return torch.cat(
        [
            row[len(one.asked) - 1 : len(one.asked) + len(one.drawn) - 1]
            for row, one in zip(states, samples, strict=True)
        ]
    )


@torch.no_grad()
def positions_of(model: GlmImageForConditionalGeneration, sample: Sample) -> Tensor:
    """(3, tokens): time, row and column of each input token."""
    prompt, _ = model.model.get_rope_index(torch.tensor([sample.asked]), image_grid_thw=sample.grids)
    steps = model.model._cached_decode_position_ids[0, :, : len(sample.drawn) - 1]
    return torch.cat((prompt[:, 0], steps), dim=1)
