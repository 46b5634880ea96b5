"""Quoted text of a prompt becomes glyph embeddings: what the picture shall spell. Knows nothing of pictures."""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

import torch

from workers.dit.model.loading import DitModel

# In this order, kind by kind: the embeddings are concatenated, so the order is part of the picture.
_QUOTED = [re.compile(rf"{left}([^{left}{right}]*){right}") for left, right in ("''", "\u201c\u201d", '""', "「」")]
_MAX_TEXT_TOKENS = 2048  # the reference's max_sequence_length, for each quoted text by itself
# Padded tokens of one encoder pass. A prompt with hundreds of quoted texts and a long one would need gigabytes at once.
_MAX_PASS_TOKENS = 16 * _MAX_TEXT_TOKENS


def glyph_texts(prompt: str) -> list[str]:
    """Texts in '', “”, "" and 「」, grouped by kind of quote (`GlmImagePipeline.get_glyph_texts`)."""
    return [text for quoted in _QUOTED for text in quoted.findall(prompt)]


class GlyphEncoder:
    """ByT5 over quoted texts (`GlmImagePipeline._get_glyph_embeds`, for one prompt)."""

    def __init__(self, model: DitModel) -> None:
        self._model = model

    @cached_property
    def empty(self) -> torch.Tensor:
        """The embeddings of a prompt without quoted text; the unconditional pass of every render uses them."""
        return self._encode(self._token_ids([""]))

    def tokenize(self, prompt: str) -> Sequence[list[int]]:
        """Token ids of every quoted text; none for a prompt without. Needs no device, and any thread may call it."""
        texts = glyph_texts(prompt)
        return self._token_ids(texts) if texts else []

    def encode(self, rows: Sequence[list[int]]) -> torch.Tensor:
        """Embeddings of shape (1, tokens, text_embed_dim) in the model's dtype: all quoted texts in a row."""
        return self._encode(rows) if rows else self.empty

    @torch.no_grad()
    def _encode(self, rows: Sequence[list[int]]) -> torch.Tensor:
        with self._model.on_device(self._model.text_encoder):
            embeds = torch.cat([self._forward(part) for part in _passes(rows)])
        return embeds.unsqueeze(0).to(self._model.dtype)

    def _token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """One row of bytes per text. An even number of texts gets a leading pad each: the reference's quirk.

        Control tokens are split into bytes, so `</s>` in a quoted text is five characters to be drawn.
        """
        tokenizer = self._model.tokenizer
        rows = tokenizer(list(texts), max_length=_MAX_TEXT_TOKENS, truncation=True, split_special_tokens=True).input_ids
        leading = [tokenizer.pad_token_id] * ((len(rows) + 1) % 2)
        return [leading + row for row in rows]

    def _forward(self, rows: Sequence[list[int]]) -> torch.Tensor:
        """(tokens, text_embed_dim): every row's embeddings without what padded it to the longest row."""
        longest = max(map(len, rows))
        pad = self._model.tokenizer.pad_token_id
        device = self._model.device
        token_ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device)
        hidden: torch.Tensor = self._model.text_encoder(token_ids, attention_mask=mask).last_hidden_state
        return hidden[mask.bool()]


def _passes(rows: Sequence[list[int]]) -> Iterator[Sequence[list[int]]]:
    """Consecutive rows that fit into one encoder pass; nearly always all of them."""
    longest = max(map(len, rows))
    rows_per_pass = max(1, _MAX_PASS_TOKENS // longest)
    for first in range(0, len(rows), rows_per_pass):
        yield rows[first : first + rows_per_pass]
