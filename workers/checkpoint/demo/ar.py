"""Trains the AR model, which writes visual tokens from a prompt and condition images."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import GlmImageForConditionalGeneration

from workers.checkpoint.demo.ar_batches import Batches, Cells, Sample
from workers.checkpoint.demo.ar_sheet import show_drawn
from workers.checkpoint.demo.loop import Recipe, load_earlier, train
from workers.checkpoint.demo.models import ar as ar_model
from workers.checkpoint.demo.models.drawer import Drawer
from workers.checkpoint.demo.models.encoders import Encoders
from workers.checkpoint.demo.models.layers import training_layers
from workers.checkpoint.demo.models.precision import mixed_precision
from workers.checkpoint.demo.models.probe import UNKNOWN, outputs_of

RECIPE = Recipe(num_steps=13_000, learning_rate=1.5e-3, falling=0.5, average=0.999, weight_decay=0.02, has_muon=True)
EARLIER = "ar_earlier.pt"  # weights of an earlier training, in the training folder
_PROBED, _PROBE_WEIGHT = 1, 0.1  # the layer that the probe reads, and the weight of the probe's loss
_SHAPE_WEIGHT = 1.0  # weight, in the loss, of the first tokens of shapes


def fit(
    folder: Path, model: GlmImageForConditionalGeneration, encoders: Encoders, most_minutes: float = math.inf
) -> Drawer:
    """Trains the language model of the AR model `model` to the end. Returns it with its probe, an output that only
    training uses.

    An interrupted run continues from its last save. A new run starts from the weights of an earlier training if the
    folder has them. The vision encoder and the codebook of `model` are trained already and stay unchanged.
    """
    drawer = frozen(Drawer(model))
    load_earlier(drawer, folder / EARLIER)
    start_from_codebook(model, encoders)
    batches = Batches(encoders)

    def loss(rng: Random, progress: float) -> Mapping[str, Tensor]:
        return loss_of(drawer, batches.draw(rng, progress))

    def show(averaged: Drawer) -> None:
        show_drawn(averaged.ar, encoders, folder / "ar.png")

    return train(drawer, loss, replace(RECIPE, most_minutes=most_minutes), folder / "ar.pt", on_save=show)


def frozen(drawer: Drawer) -> Drawer:
    """Excludes the vision encoder and the codebook from the training, because they are trained already."""
    drawer.ar.model.visual.requires_grad_(requires_grad=False)
    drawer.ar.model.vqmodel.requires_grad_(requires_grad=False)
    return drawer


@torch.no_grad()
def start_from_codebook(model: GlmImageForConditionalGeneration, encoders: Encoders) -> None:
    """Initialises the AR model's embeddings of the visual tokens.

    Codes that decode to a similar look get similar embeddings.
    """
    rows = model.get_input_embeddings().weight[: ar_model.NUM_CODES]
    rows.copy_(encoders.embeddings(rows.shape[1], seed=5) * rows.std())


def loss_of(drawer: Drawer, samples: Sequence[Sample]) -> Mapping[str, Tensor]:
    """Returns the training loss of the AR model for these samples, with the terms of the loss.

    The loss is the cross entropy of the output tokens, plus that of the first tokens of shapes and the loss of the
    probe, both weighted. The first token of a shape counts more, because it alone must follow the shape's name in the
    prompt. The others follow from it. The probe is a training output that predicts rows and columns of tokens.
    """
    layer = drawer.ar.model.language_model.layers[_PROBED]
    with mixed_precision(), training_layers(), outputs_of(layer) as states:
        logits = _logits(drawer.ar, samples)
    errors = F.cross_entropy(
        logits.float(), torch.tensor([token for one in samples for token in one.drawn]), reduction="none"
    )
    starts = accumulate((len(one.drawn) for one in samples), initial=0)
    decisive = [start + index for start, one in zip(starts, samples, strict=False) for index in one.decisive]
    counts = torch.cat([torch.arange(len(one.drawn)) >= len(one.misleading) for one in samples])
    tokens, shape = errors[counts].mean(), errors[decisive].sum() / max(1, len(decisive))
    places = torch.cat([places_of(one.cells)[: len(one.drawn)] for one in samples])
    place = drawer.probe.loss(_before_drawn(states[0], samples), places)
    loss = tokens + _SHAPE_WEIGHT * shape + _PROBE_WEIGHT * place
    return {"loss": loss, "tokens": tokens, "shape": shape, "place": place}


def places_of(drawn: Sequence[Cells]) -> Tensor:
    """Returns the row and the column of each output token in its grid, with shape (tokens, 2).

    `drawn` holds the rows and columns of each grid. The end token after the grids gets `UNKNOWN`.
    """
    grids = [torch.cartesian_prod(torch.arange(rows), torch.arange(cols)) for rows, cols in drawn]
    return torch.cat([*grids, torch.full((1, 2), UNKNOWN)])


def _logits(model: GlmImageForConditionalGeneration, samples: Sequence[Sample]) -> Tensor:
    """Runs the AR model on the samples and returns the logits of their output tokens, with shape (tokens, vision
    vocabulary).

    Shorter sequences are padded on the right, where causal attention hides the padding.
    """
    ids = pad_sequence([torch.tensor(one.seen) for one in samples], batch_first=True)
    places = [positions_of(model, one) for one in samples]
    positions = pad_sequence([place.T for place in places], batch_first=True).permute(2, 0, 1)
    hidden = model.model.language_model(inputs_embeds=model.get_input_embeddings()(ids), position_ids=positions)
    logits: Tensor = model.lm_head(_before_drawn(hidden.last_hidden_state, samples))
    return logits


def _before_drawn(states: Tensor, samples: Sequence[Sample]) -> Tensor:
    """Selects the states from which the AR model predicts the output tokens.

    A token is predicted from the state of the token before it. `states` has shape (samples, tokens, width). Returns
    shape (output tokens of all samples, width).
    """
    return torch.cat(
        [
            row[len(one.asked) - 1 : len(one.asked) + len(one.drawn) - 1]
            for row, one in zip(states, samples, strict=True)
        ]
    )


@torch.no_grad()
def positions_of(model: GlmImageForConditionalGeneration, sample: Sample) -> Tensor:
    """Returns the time, row and column of each input token of the sample, with shape (3, tokens).

    The AR model encodes them as rotary position embeddings.
    """
    prompt, _ = model.model.get_rope_index(torch.tensor([sample.asked]), image_grid_thw=sample.grids)
    steps = model.model._cached_decode_position_ids[0, :, sample.num_left_out :][:, : len(sample.drawn) - 1]
    return torch.cat((prompt[:, 0], steps), dim=1)
