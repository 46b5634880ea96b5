"""Encodes the quoted text of a prompt into glyph embeddings, so that the picture spells that text."""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

import torch

from workers.dit.model.loading import DitModel

# The order of these kinds of quote matters: the embeddings are concatenated, so it changes the picture.
_QUOTED = [re.compile(rf"{left}([^{left}{right}]*){right}") for left, right in ("''", "\u201c\u201d", '""', "「」")]
_MAX_TEXT_TOKENS = 2048  # max_sequence_length of the reference pipeline, for each quoted text
# The most padded tokens of one encoder pass. Without it a prompt with hundreds of quoted texts would need gigabytes.
_MAX_PASS_TOKENS = 16 * _MAX_TEXT_TOKENS


def glyph_texts(prompt: str) -> list[str]:
    """Returns the quoted texts of a prompt: those in '', “”, "" and 「」. They are grouped by kind of quote, as in
    `GlmImagePipeline.get_glyph_texts`.
    """
    return [text for quoted in _QUOTED for text in quoted.findall(prompt)]


class GlyphEncoder:
    """Encodes the quoted texts of one prompt with ByT5, as `GlmImagePipeline._get_glyph_embeds` does."""

    def __init__(self, model: DitModel) -> None:
        self._model = model

    @cached_property
    def empty(self) -> torch.Tensor:
        """The embeddings of a prompt without quoted text. The unconditional branch of every render uses them."""
        return self._encode(self._token_ids([""]))

    def tokenize(self, prompt: str) -> Sequence[list[int]]:
        """Returns the token ids of every quoted text of a prompt, or an empty list if the prompt has none.

        It needs no device, and any thread may call it.
        """
        texts = glyph_texts(prompt)
        return self._token_ids(texts) if texts else []

    def encode(self, rows: Sequence[list[int]]) -> torch.Tensor:
        """Returns the embeddings (1, tokens, text_embed_dim) of all quoted texts of a prompt, one after the other, in
        the model's dtype.
        """
        return self._encode(rows) if rows else self.empty

    @torch.no_grad()
    def _encode(self, rows: Sequence[list[int]]) -> torch.Tensor:
        with self._model.on_device(self._model.text_encoder):
            embeds = torch.cat([self._forward(part) for part in _passes(rows)])
        return embeds.unsqueeze(0).to(self._model.dtype)

    def _token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns one row of byte tokens for each text. If the number of texts is even, each row begins with a pad
        token, as in the reference pipeline.

        Control tokens are split into bytes, so `</s>` in a quoted text is drawn as characters.
        """
        tokenizer = self._model.tokenizer
        rows = tokenizer(list(texts), max_length=_MAX_TEXT_TOKENS, truncation=True, split_special_tokens=True).input_ids
        leading = [tokenizer.pad_token_id] * ((len(rows) + 1) % 2)
        return [leading + row for row in rows]

    def _forward(self, rows: Sequence[list[int]]) -> torch.Tensor:
        """Returns the embeddings (tokens, text_embed_dim) of all rows, without those of the padding."""
        longest = max(map(len, rows))
        pad = self._model.tokenizer.pad_token_id
        device = self._model.device
        token_ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device)
        hidden: torch.Tensor = self._model.text_encoder(token_ids, attention_mask=mask).last_hidden_state
        return hidden[mask.bool()]


def _passes(rows: Sequence[list[int]]) -> Iterator[Sequence[list[int]]]:
    """Yields groups of consecutive rows, each for one pass of the encoder. Nearly always all rows fit into one pass."""
    longest = max(map(len, rows))
    rows_per_pass = max(1, _MAX_PASS_TOKENS // longest)
    for first in range(0, len(rows), rows_per_pass):
        yield rows[first : first + rows_per_pass]
