"""Converts a request into the AR model's input: token ids, positions and preprocessed condition images.

It does not run the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from PIL import Image

from shared.geometry import GridSize, large_grid, small_grid
from shared.jobs.spec import RenderSettings
from shared.jobs.token_grid import TokenGrid
from workers.ar.model.loading import ArModel
from workers.ar.model.positions import Position, grid_positions, prompt_positions

_STAND_IN = "\ue000"  # stands for the prompt's text; a private-use character, which no tokenizer merges with others


@dataclass(frozen=True, slots=True)
class Prompt:
    """The AR model's input for one render.

    `token_ids` contains one placeholder for every token of a condition image. `positions` are the rotary positions
    (time, row, column) of the prompt's tokens and of every token that will be sampled. `pixel_values[k]` is condition
    image k as (patches, values per patch), and `condition_grids[k]` is the size of its token grid.
    """

    token_ids: tuple[int, ...]
    image_token_id: int
    positions: tuple[Position, ...]
    pixel_values: tuple[torch.Tensor, ...]
    condition_grids: tuple[GridSize, ...]

    def token_ids_with(self, grids: Sequence[TokenGrid]) -> tuple[int, ...]:
        """Returns the prompt's token ids, with the placeholders replaced by the tokens of the condition images."""
        codes = chain.from_iterable(grid.tokens for grid in grids)
        return tuple(next(codes) if token == self.image_token_id else token for token in self.token_ids)


def build_prompt(model: ArModel, settings: RenderSettings, images: Sequence[Image.Image]) -> Prompt:
    """Builds the AR model's input for a request. `images` are its condition images.

    The result is that of `GlmImagePipeline.generate_prior_tokens`, except that control tokens such as `<|image|>` in
    the user's text are read as plain text.
    """
    text = settings.prompt
    has_controls = model.control_tokens.are_in(text)
    inputs = _process(model, _STAND_IN if has_controls else text, settings, images)
    token_ids: list[int] = inputs["input_ids"][0].tolist()
    if has_controls:
        token_ids = _spliced(model, token_ids, text)
    grids = tuple(GridSize(rows, cols) for _, rows, cols in inputs["image_grid_thw"][: len(images)].tolist())
    pixels = torch.split(inputs["pixel_values"], [grid.num_tokens for grid in grids]) if images else ()
    image_token_id = model.network.config.image_token_id
    return Prompt(tuple(token_ids), image_token_id, _positions(model, token_ids, grids, settings), tuple(pixels), grids)


def _process(
    model: ArModel, text: str, settings: RenderSettings, images: Sequence[Image.Image]
) -> dict[str, torch.Tensor]:
    content = [*({"type": "image", "image": image} for image in images), {"type": "text", "text": text}]
    inputs: dict[str, torch.Tensor] = model.processor.apply_chat_template(
        [[{"role": "user", "content": content}]],
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"target_h": settings.height_px, "target_w": settings.width_px},
    )
    return inputs


def _spliced(model: ArModel, token_ids: list[int], text: str) -> list[int]:
    """Returns the token ids of a prompt in which the tokens of the user's text take the place of a stand-in character.

    The chat template was filled with the stand-in character instead of the user's text, because the tokenizer would
    read control tokens in that text. This function tokenizes the text as plain characters, so `<|image|>` does not
    become a special token.
    """
    tokenizer = model.processor.tokenizer
    stand_in = tokenizer.encode(_STAND_IN, add_special_tokens=False)
    plain = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    for index in range(len(token_ids)):
        if token_ids[index : index + len(stand_in)] == stand_in:
            return [*token_ids[:index], *plain, *token_ids[index + len(stand_in) :]]
    raise AssertionError("the chat template dropped the user's text")


def _positions(
    model: ArModel, token_ids: Sequence[int], condition_grids: Sequence[GridSize], settings: RenderSettings
) -> tuple[Position, ...]:
    config = model.network.config
    size = (settings.width_px, settings.height_px)
    grids = [large_grid(*size)] if condition_grids else [small_grid(*size), large_grid(*size)]
    prompt, after = prompt_positions(token_ids, config.image_start_token_id, config.image_end_token_id, condition_grids)
    return (*prompt, *grid_positions(after, grids))
