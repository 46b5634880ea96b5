"""The trained VAE and eyes in use: scenes to pictures, latents and visual tokens."""

import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor

from workers.checkpoint.demo.drawing import draw
from workers.checkpoint.demo.pixels import to_tensor
from workers.checkpoint.demo.vq import Eyes
from workers.checkpoint.demo.world import Scene

CELL_PX = 32  # a visual token's side
CONDITION_CELLS = 16  # condition pictures have sides of 512 pixels or more


def tensors_of(scenes: list[Scene], cells: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Pictures and their halves, as the DiT and the AR model see them: (scenes, 3, height, width) each."""
    height, width = cells[0] * CELL_PX, cells[1] * CELL_PX
    drawn = [draw(scene, width, height) for scene in scenes]
    halves = [picture.resize((width // 2, height // 2), Image.Resampling.BICUBIC) for picture in drawn]
    return torch.stack([to_tensor(one) for one in drawn]), torch.stack([to_tensor(one) for one in halves])


class Encoders:
    """Both are frozen. A part that needs no latents gives no VAE."""

    def __init__(self, eyes: Eyes, vae: AutoencoderKL | None = None) -> None:
        self._eyes, self._vae = eyes.eval().requires_grad_(requires_grad=False), vae
        if vae is not None:
            vae.eval().requires_grad_(requires_grad=False)
            statistics = (vae.config.latents_mean, vae.config.latents_std)
            self._mean, self._std = (torch.tensor(values).view(1, -1, 1, 1) for values in statistics)

    @torch.no_grad()
    def latents(self, pictures: Tensor) -> Tensor:
        """(pictures, 16, height / 8, width / 8), normalised."""
        assert self._vae
        with torch.autocast("cpu", torch.bfloat16):
            found = self._vae.encode(pictures).latent_dist.mode()
        return (found.float() - self._mean) / self._std

    @torch.no_grad()
    def pictures(self, latents: Tensor) -> Tensor:
        """The inverse of `latents`, as far as the VAE goes."""
        assert self._vae
        decoded: Tensor = self._vae.decode(latents * self._std + self._mean).sample
        return decoded

    @torch.no_grad()
    def codes(self, halves: Tensor) -> Tensor:
        """(pictures, rows, cols) of visual tokens, from half-size pictures."""
        features = self._eyes.features(halves)
        codes: Tensor = self._eyes.vqmodel.quantize(features)[2]
        return codes.view(len(halves), *features.shape[2:])
