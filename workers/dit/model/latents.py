"""Between noise, latents and pixels: initial latents, and the VAE with its normalisation. Knows nothing of time."""

import torch
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch.nn import functional

from shared.errors import RenderFailed
from workers.dit.model.loading import DitModel


def initial_latents(model: DitModel, width_px: int, height_px: int, seed: int) -> torch.Tensor:
    """Noise of shape (1, channels, height / 8, width / 8), drawn on the device from the seed alone."""
    factor = model.vae_scale_factor
    shape = (1, model.transformer.config.in_channels, height_px // factor, width_px // factor)
    generator = torch.Generator(model.device).manual_seed(seed)
    noise: torch.Tensor = randn_tensor(shape, generator=generator, device=model.device, dtype=model.dtype)
    return noise


def preprocess_image(model: DitModel, image: Image.Image) -> torch.Tensor:
    """Pixels (1, 3, height, width) from -1 to 1 on the host, the image's sides floored to whole DiT tokens."""
    width_px, height_px = (side // model.token_px * model.token_px for side in image.size)
    pixels: torch.Tensor = model.image_processor.preprocess(image, height=height_px, width=width_px)
    return pixels


def encode_pixels(model: DitModel, pixels: torch.Tensor) -> torch.Tensor:
    """Normalised latents of a condition image's pixels: the most likely, not a sample."""
    with model.on_device(model.vae):
        latents: torch.Tensor = model.vae.encode(pixels.to(model.device, model.dtype)).latent_dist.mode()
    mean, std = _statistics(model)
    return (latents - mean) / std


def decode_latents(model: DitModel, latents: torch.Tensor) -> Image.Image:
    """The picture of finished latents. Raises `RenderFailed("nan_pixels")` when the VAE overflows."""
    mean, std = _statistics(model)
    with model.on_device(model.vae):
        pixels: torch.Tensor = model.vae.decode(latents.to(model.dtype) * std + mean, return_dict=False)[0]
    if not pixels.isfinite().all():
        raise RenderFailed("nan_pixels", "the VAE produced NaN or infinite pixels")
    picture: Image.Image = model.image_processor.postprocess(pixels, output_type="pil")[0]
    return picture


def shrink_latents(latents: torch.Tensor, max_side: int) -> torch.Tensor:
    """Averaged down so that the longer side is at most `max_side`; the shorter keeps its share."""
    scale = min(1.0, max_side / max(latents.shape[-2:]))
    size = [max(1, round(side * scale)) for side in latents.shape[-2:]]
    return functional.interpolate(latents, size=size, mode="area")


def _statistics(model: DitModel) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each latent channel, shape (1, channels, 1, 1)."""
    config = model.vae.config
    mean, std = (
        torch.tensor(values, device=model.device, dtype=model.dtype).view(1, -1, 1, 1)
        for values in (config.latents_mean, config.latents_std)
    )
    return mean, std
