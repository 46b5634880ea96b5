"""The small checkpoint's DiT half: glyph encoder and tokenizer, transformer, VAE and scheduler."""

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, GlmImageTransformer2DModel
from transformers import ByT5Tokenizer, T5Config, T5EncoderModel

from shared.geometry import CODEBOOK_SIZE

_LATENT_CHANNELS = 16
_GLYPH_DIM = 64

# Default weights are blind: without its quoted text a picture changes by 1 of 255. Measured with these factors: 15.
_ATTENTION_SCALE = 6.0
_GLYPH_SCALE = 3.0


@dataclass(frozen=True, slots=True)
class DitShape:
    """The transformer's size. `condition_dim` is the width of one number of the picture's size, embedded."""

    num_layers: int
    num_heads: int
    head_dim: int
    text_embed_dim: int
    time_embed_dim: int
    condition_dim: int


TINY = DitShape(4, 4, 32, _GLYPH_DIM, 64, 32)


def build_glyph_tokenizer() -> ByT5Tokenizer:
    """A byte is a token, as in the real model; ByT5 needs no vocabulary file."""
    return ByT5Tokenizer()


def build_text_encoder(tokenizer: ByT5Tokenizer, width: int = _GLYPH_DIM) -> T5EncoderModel:
    """Two layers in ByT5's shape; `width` is the transformer's `text_embed_dim`."""
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
    """Random weights from the current torch seed, scaled so that glyphs, conditions and prior tokens are seen."""
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
    """Four block levels (a latent is 8x8 pixels) of 16 to 32 channels; no quantisation convolutions, no attention."""
    return AutoencoderKL(
        block_out_channels=(16, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=_LATENT_CHANNELS,
        norm_num_groups=8,
        # Not 0 and 1, so that a picture shows a forgotten normalisation.
        latents_mean=torch.empty(_LATENT_CHANNELS).uniform_(-0.3, 0.3).tolist(),
        latents_std=torch.empty(_LATENT_CHANNELS).uniform_(0.7, 1.3).tolist(),
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
    ).eval()


def build_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """GLM-Image's flow-matching schedule: time is shifted by the picture's size."""
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, time_shift_type="linear", base_shift=0.25, max_shift=0.75, base_image_seq_len=256
    )
