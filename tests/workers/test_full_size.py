"""The figures with which GPUs are planned are those of the full-size model, built without data.

The shape of the text, vision and diffusion models is the default of their classes. That of the VAE is the one with
which the checkpoint's latent statistics came.
"""

import pytest
import torch
from diffusers import AutoencoderKL, GlmImageTransformer2DModel
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import GlmImageConfig, GlmImageForConditionalGeneration

from cli.stack.gpus import needs
from tests.workers.peak_memory import PeakMemory
from workers.dit.byte_counts import decode_bytes, tiled_decode_bytes
from workers.dit.model.vae_tiles import tiled

BF16 = torch.bfloat16
_GLYPH_ENCODER_BYTES = 2 * 220_000_000


def num_bytes(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters()) * BF16.itemsize


def full_size_vae() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 512, 1024, 1024),
        layers_per_block=3,
        latent_channels=16,
        sample_size=1024,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
    ).to(BF16)


def test_the_weights_of_both_stages_are_counted_whole() -> None:
    with torch.device("meta"):
        ar = GlmImageForConditionalGeneration(GlmImageConfig())
        transformer, vae = GlmImageTransformer2DModel(), full_size_vae()
    assert num_bytes(ar) == pytest.approx(needs.AR_WEIGHTS, rel=0.02)
    assert num_bytes(transformer) == pytest.approx(needs.DIT_BLOCKS, rel=0.05)
    assert num_bytes(vae) + _GLYPH_ENCODER_BYTES == pytest.approx(needs.DIT_ENCODERS, rel=0.1)


@pytest.mark.parametrize("side", [1024, 2048])
@pytest.mark.parametrize("in_tiles", [False, True])
def test_a_decode_takes_the_memory_that_is_planned_for_it(side: int, in_tiles: bool) -> None:
    with FakeTensorMode():
        vae = full_size_vae()
        latents = torch.empty(1, 16, side // 8, side // 8, dtype=BF16)
        with torch.no_grad(), PeakMemory() as memory, tiled(vae, is_wanted=in_tiles):
            vae.decode(latents, return_dict=False)
    bytes_of = tiled_decode_bytes if in_tiles else decode_bytes
    assert memory.peak == pytest.approx(bytes_of(side, side, vae.config.block_out_channels[1], 2), rel=0.15)
