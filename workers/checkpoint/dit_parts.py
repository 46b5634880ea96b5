"""Builds the DiT part of the small checkpoint with random weights.

The part consists of the glyph tokenizer and encoder, the transformer, the VAE and the scheduler.
"""

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, GlmImageTransformer2DModel
from transformers import ByT5Tokenizer, T5Config, T5EncoderModel

from shared.geometry import CODEBOOK_SIZE

_LATENT_CHANNELS = 16
_GLYPH_DIM = 64

# With default weights the quoted text changes a picture by only 1 of 255 levels. With these factors it is 15 levels.
_ATTENTION_SCALE = 6.0
_GLYPH_SCALE = 3.0


@dataclass(frozen=True, slots=True)
class DitShape:
    """The size of the DiT's transformer.

    The transformer gets the picture's size as several numbers. `condition_dim` is the width of the embedding of one of
    these numbers.
    """

    num_layers: int
    num_heads: int
    head_dim: int
    text_embed_dim: int
    time_embed_dim: int
    condition_dim: int


TINY = DitShape(4, 4, 32, _GLYPH_DIM, 64, 32)


def build_glyph_tokenizer() -> ByT5Tokenizer:
    """Returns the glyph tokenizer ByT5, in which every byte is a token, as in the real model.

    It needs no vocabulary file.
    """
    return ByT5Tokenizer()


def build_text_encoder(tokenizer: ByT5Tokenizer, width: int = _GLYPH_DIM) -> T5EncoderModel:
    """Returns a glyph encoder of two layers with ByT5's architecture.

    `width` has to equal the transformer's `text_embed_dim`.
    """
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=width,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
    return T5EncoderModel(config).eval()


def build_transformer(shape: DitShape = TINY, num_codes: int = CODEBOOK_SIZE) -> GlmImageTransformer2DModel:
    """Returns the transformer with random weights, which depend on the current torch seed.

    Some weights are scaled up. With default weights, glyphs, condition images and visual tokens would hardly change the
    picture.
    """
    model = GlmImageTransformer2DModel(
        in_channels=_LATENT_CHANNELS,
        out_channels=_LATENT_CHANNELS,
        num_layers=shape.num_layers,
        num_attention_heads=shape.num_heads,
        attention_head_dim=shape.head_dim,
        text_embed_dim=shape.text_embed_dim,
        time_embed_dim=shape.time_embed_dim,
        condition_dim=shape.condition_dim,
        prior_vq_quantizer_codebook_size=num_codes,
    ).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ".to_v." in name or ".to_out." in name:
                weight.mul_(_ATTENTION_SCALE)
            elif name.startswith("glyph_projector."):
                weight.mul_(_GLYPH_SCALE)
    return model


def build_vae() -> AutoencoderKL:
    """Returns a VAE with random weights, in which a latent covers 8x8 pixels.

    It has four block levels of 16 to 32 channels, no quantisation convolutions and no attention.
    """
    return AutoencoderKL(
        block_out_channels=(16, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=_LATENT_CHANNELS,
        norm_num_groups=8,
        # Values other than 0 and 1, so that code that omits the normalisation makes a visibly different picture.
        latents_mean=torch.empty(_LATENT_CHANNELS).uniform_(-0.3, 0.3).tolist(),
        latents_std=torch.empty(_LATENT_CHANNELS).uniform_(0.7, 1.3).tolist(),
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
    ).eval()


def build_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Returns GLM-Image's flow-matching scheduler. It shifts the times of the denoise steps by the picture's size."""
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, time_shift_type="linear", base_shift=0.25, max_shift=0.75, base_image_seq_len=256
    )
