"""The demonstration model's DiT half, untrained: glyph encoder and transformer."""

from functools import lru_cache

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, GlmImageTransformer2DModel
from torch import Tensor
from transformers import ByT5Tokenizer, T5Config, T5EncoderModel

from workers.checkpoint.demo.models.ar import NUM_CODES
from workers.checkpoint.demo.vae import LATENT_CHANNELS

GLYPH_WIDTH = 128
# Queries and keys are normalised, so no score is above the root of a head's width. With 32 a token could not attend to
# one neighbour or one letter alone, and shapes stayed blobs.
_HEADS, _HEAD_WIDTH = 3, 64
WIDTH = _HEADS * _HEAD_WIDTH


def build_transformer() -> GlmImageTransformer2DModel:
    """Untrained, with weights from the current torch seed."""
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
    """Untrained: three layers over bytes. A letter's place in its word comes from T5's relative positions."""
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
    """GLM-Image's flow-matching schedule: time is shifted by the picture's size."""
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, time_shift_type="linear", base_shift=0.25, max_shift=0.75, base_image_seq_len=256
    )


@lru_cache(maxsize=1)
def _tokenizer() -> ByT5Tokenizer:
    return ByT5Tokenizer()


def glyph_ids(text: str) -> list[int]:
    """Bytes and an end. A prompt with one quoted text, or none, gets no pad from the pipeline."""
    ids: list[int] = _tokenizer()([text]).input_ids[0]
    return ids


def glyphs_of(encoder: T5EncoderModel, texts: list[str]) -> tuple[Tensor, Tensor]:
    """(texts, tokens, width), and (texts, tokens) of which are real: shorter ones have zeros on the left."""
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
