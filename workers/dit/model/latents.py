"""Converts between noise, latents and pixels. It draws initial latents, and runs the VAE with its normalisation.

It runs no denoise step.
"""

import torch
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch.nn import functional

from shared.errors import RenderFailed
from workers.dit.model.loading import DitModel
from workers.dit.model.vae_tiles import tiled


def initial_latents(model: DitModel, width_px: int, height_px: int, seed: int) -> torch.Tensor:
    """Returns the noise with which a render begins, of shape (1, channels, height / 8, width / 8), drawn on the device.

    It depends only on seed and size.
    """
    factor = model.vae_scale_factor
    shape = (1, model.transformer.config.in_channels, height_px // factor, width_px // factor)
    generator = torch.Generator(model.device).manual_seed(seed)
    noise: torch.Tensor = randn_tensor(shape, generator=generator, device=model.device, dtype=model.dtype)
    return noise


def preprocess_image(model: DitModel, image: Image.Image) -> torch.Tensor:
    """Returns the pixels of a condition image on the host: (1, 3, height, width), from -1 to 1.

    Its sides are rounded down to multiples of 16 px, the side of a DiT token.
    """
    width_px, height_px = (side // model.token_px * model.token_px for side in image.size)
    pixels: torch.Tensor = model.image_processor.preprocess(image, height=height_px, width=width_px)
    return pixels


def encode_pixels(model: DitModel, pixels: torch.Tensor) -> torch.Tensor:
    """Returns the normalised latents of a condition image's pixels.

    They are the mode of the VAE's distribution, not a sample.
    """
    with model.on_device(model.vae):
        latents: torch.Tensor = model.vae.encode(pixels.to(model.device, model.dtype)).latent_dist.mode()
    mean, std = _statistics(model)
    return (latents - mean) / std


def decode_latents(model: DitModel, latents: torch.Tensor) -> Image.Image:
    """Decodes finished latents into a picture. Raises `RenderFailed("nan_pixels")` if the VAE's pixels are NaN or
    infinite.
    """
    mean, std = _statistics(model)
    height_px, width_px = (side * model.vae_scale_factor for side in latents.shape[-2:])
    with model.on_device(model.vae), tiled(model.vae, is_wanted=model.tiles(width_px, height_px)):
        pixels: torch.Tensor = model.vae.decode(latents.to(model.dtype) * std + mean, return_dict=False)[0]
    if not pixels.isfinite().all():
        raise RenderFailed("nan_pixels", "the VAE produced NaN or infinite pixels")
    picture: Image.Image = model.image_processor.postprocess(pixels, output_type="pil")[0]
    return picture


def shrink_latents(latents: torch.Tensor, max_side: int) -> torch.Tensor:
    """Reduces the size of latents by averaging, so that the longer side is at most `max_side`.

    The aspect ratio stays nearly the same.
    """
    scale = min(1.0, max_side / max(latents.shape[-2:]))
    size = [max(1, round(side * scale)) for side in latents.shape[-2:]]
    return functional.interpolate(latents, size=size, mode="area")


def _statistics(model: DitModel) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the mean and the standard deviation of each latent channel, shape (1, channels, 1, 1)."""
    config = model.vae.config
    mean, std = (
        torch.tensor(values, device=model.device, dtype=model.dtype).view(1, -1, 1, 1)
        for values in (config.latents_mean, config.latents_std)
    )
    return mean, std
