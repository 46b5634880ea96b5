"""Builds the untrained DiT part of the demonstration model: glyph encoder, transformer and scheduler."""

from functools import lru_cache

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, GlmImageTransformer2DModel
from torch import Tensor
from transformers import ByT5Tokenizer, T5Config, T5EncoderModel

from workers.checkpoint.demo.models.ar import NUM_CODES
from workers.checkpoint.demo.vae import LATENT_CHANNELS

GLYPH_WIDTH = 128
# Queries and keys are normalised, so an attention score is at most the square root of a head's width. With a width of
# 32 a token could not attend to a single neighbour or letter alone, and shapes stayed blobs.
_HEADS, _HEAD_WIDTH = 3, 64
WIDTH = _HEADS * _HEAD_WIDTH


def build_transformer() -> GlmImageTransformer2DModel:
    """Returns the untrained transformer of the DiT. Its random weights depend on the current torch seed."""
    return GlmImageTransformer2DModel(
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        num_layers=6,
        num_attention_heads=_HEADS,
        attention_head_dim=_HEAD_WIDTH,
        text_embed_dim=GLYPH_WIDTH,
        time_embed_dim=96,
        condition_dim=32,
        prior_vq_quantizer_codebook_size=NUM_CODES,
    )


def build_text_encoder() -> T5EncoderModel:
    """Returns the untrained glyph encoder: a T5 encoder of three layers, in which every byte of a text is a token.

    T5 encodes relative positions, so the encoder can learn the place of a letter in its word.
    """
    config = T5Config(
        vocab_size=len(ByT5Tokenizer()),
        d_model=GLYPH_WIDTH,
        d_kv=32,
        d_ff=2 * GLYPH_WIDTH,
        num_layers=3,
        num_heads=4,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
    return T5EncoderModel(config)


def build_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Returns GLM-Image's flow-matching scheduler. It shifts the times of the denoise steps by the picture's size."""
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, time_shift_type="linear", base_shift=0.25, max_shift=0.75, base_image_seq_len=256
    )


@lru_cache(maxsize=1)
def _tokenizer() -> ByT5Tokenizer:
    return ByT5Tokenizer()


def glyph_ids(text: str) -> list[int]:
    """Returns the token ids of a text for the glyph encoder: its bytes and an end token.

    There is no padding, as in the pipeline for a prompt with at most one quoted text.
    """
    ids: list[int] = _tokenizer()([text]).input_ids[0]
    return ids


def glyphs_of(encoder: T5EncoderModel, texts: list[str]) -> tuple[Tensor, Tensor]:
    """Encodes texts with the glyph encoder.

    Returns the states with shape (texts, tokens, width), and a mask with shape (texts, tokens) that is True for tokens
    that are not padding. Shorter texts are padded with zeros on the left.
    """
    rows = [glyph_ids(text) for text in texts]
    length = max(map(len, rows))
    ids = torch.tensor([row + [0] * (length - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows])
    found = encoder(ids, attention_mask=mask).last_hidden_state
    padded = [
        torch.cat((found.new_zeros(length - len(row), GLYPH_WIDTH), one[: len(row)]))
        for row, one in zip(rows, found, strict=True)
    ]
    return torch.stack(padded), mask.flip(1).bool()
