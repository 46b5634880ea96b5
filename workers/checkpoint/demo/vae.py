"""Trains the VAE, which encodes each square of 8x8 pixels as a latent of 16 channels.

First the encoder and the decoder are trained together, then the decoder alone.
"""

from collections.abc import Mapping
from pathlib import Path
from random import Random

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from workers.checkpoint.demo.loop import Recipe, train
from workers.checkpoint.demo.models.precision import mixed_precision
from workers.checkpoint.demo.world.pixels import random_crops, to_picture

LATENT_CHANNELS = 16
FIRST, FINAL = "vae", "vae_final"  # folders before and after the decoder's second training; their latents are equal
RECIPE = Recipe(num_steps=3_400, learning_rate=1.5e-3, weight_decay=0.0)
DECODER_RECIPE = Recipe(num_steps=2_800, learning_rate=1e-3, weight_decay=0.0, warm_up_steps=50)

_CROP_PX, _BATCH = 64, 12
_KL = 1e-6
# Crops get larger in the second training, because group normalisation will see whole pictures.
_DECODER_CROPS_PX = (192, 256, 256)
_DECODER_PIXELS = 2 * 256**2
_DECODER_GRADED = 0.3  # share of graded backgrounds
_DECODER_NOISE = 0.08  # in standard deviations of a latent, because the DiT's latents are not exact either


def build() -> AutoencoderKL:
    """Returns an untrained VAE. Like the real model's VAE, it has no attention and no quantisation convolutions."""
    return AutoencoderKL(
        block_out_channels=(16, 32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        latents_mean=[0.0] * LATENT_CHANNELS,
        latents_std=[1.0] * LATENT_CHANNELS,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
    )


def fit(folder: Path) -> AutoencoderKL:
    """Trains the VAE's encoder and decoder together, then the decoder alone, and returns the VAE.

    An interrupted run continues from its last save.
    """
    fit_whole(folder)
    return fit_decoder(folder)


def fit_whole(folder: Path) -> AutoencoderKL:
    """Trains the VAE's encoder and decoder together and returns the VAE.

    After the training, measures the mean and standard deviation of the latents and stores them in the VAE's config.
    """
    torch.manual_seed(0)
    model = build()

    def show(averaged: AutoencoderKL) -> None:
        show_rebuilt(averaged, folder / "vae.png")

    trained = train(model, lambda rng, _: loss_of(model, rng), RECIPE, folder / "vae.pt", on_save=show)
    with_statistics(trained)
    trained.save_pretrained(folder / FIRST)
    return trained


def fit_decoder(folder: Path) -> AutoencoderKL:
    """Trains the VAE's decoder alone on larger crops and returns the VAE.

    The encoder stays unchanged, so the latents of a picture stay the same.
    """
    model = AutoencoderKL.from_pretrained(folder / FIRST)
    model.encoder.requires_grad_(requires_grad=False)

    def show(averaged: AutoencoderKL) -> None:
        show_rebuilt(averaged, folder / "vae_decoder.png")

    state_file = folder / "vae_decoder.pt"
    trained = train(model, lambda rng, _: decoder_loss_of(model, rng), DECODER_RECIPE, state_file, on_save=show)
    trained.save_pretrained(folder / FINAL)
    return trained


def loss_of(model: AutoencoderKL, rng: Random, num_crops: int = _BATCH) -> Mapping[str, Tensor]:
    """Returns the training loss of the VAE on random crops that it encodes and decodes."""
    pixels = random_crops(rng, num_crops, _CROP_PX)
    with mixed_precision():
        posterior = model.encode(pixels).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=_generator(rng))
        decoded = model.decode(posterior.mean + posterior.std * noise).sample.float()
    squared, kl = (decoded - pixels).square().mean(), posterior.kl().mean()
    return {
        "loss": (decoded - pixels).abs().mean() + squared + _KL * kl,
        "psnr": 10 * torch.log10(4 / squared),
        "kl": kl,
    }


def decoder_loss_of(model: AutoencoderKL, rng: Random, num_pixels: int = _DECODER_PIXELS) -> Mapping[str, Tensor]:
    """Returns the training loss of the VAE's decoder on large random crops. The decoder gets the latents of these crops
    with a little noise added.
    """
    side = rng.choice(_DECODER_CROPS_PX)
    pixels = random_crops(rng, max(1, num_pixels // side**2), side, graded=_DECODER_GRADED)
    generator = _generator(rng)
    spread = torch.tensor(model.config.latents_std).view(1, -1, 1, 1)
    with mixed_precision():
        with torch.no_grad():
            latents = model.encode(pixels).latent_dist.mode().float()
            noise = torch.randn(latents.shape, generator=generator)
        decoded = model.decode(latents + _DECODER_NOISE * spread * noise).sample.float()
    squared = (decoded - pixels).square().mean()
    return {"loss": (decoded - pixels).abs().mean() + squared, "psnr": 10 * torch.log10(4 / squared)}


@torch.no_grad()
def with_statistics(model: AutoencoderKL) -> None:
    """Measures the mean and standard deviation of each channel of the latents on 300 random crops.

    Sets them in the VAE's config.
    """
    rng = Random("statistics")
    latents = torch.cat([model.encode(random_crops(rng, 1, 192)).latent_dist.mean for _ in range(300)])
    model.register_to_config(latents_mean=latents.mean((0, 2, 3)).tolist(), latents_std=latents.std((0, 2, 3)).tolist())


@torch.no_grad()
def show_rebuilt(model: AutoencoderKL, path: Path) -> None:
    """Saves an image with some pictures above and their reconstructions by the VAE below."""
    rng = Random("sheet")
    pixels = torch.cat([random_crops(rng, 1, 192) for _ in range(6)])
    rebuilt = model.decode(model.encode(pixels).latent_dist.mean).sample
    rows = [torch.cat(list(row), dim=2) for row in (pixels, rebuilt)]
    to_picture(torch.cat(rows, dim=1)).save(path)


def _generator(rng: Random) -> torch.Generator:
    return torch.Generator().manual_seed(rng.getrandbits(60))
