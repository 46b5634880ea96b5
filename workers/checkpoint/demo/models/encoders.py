"""The trained VAE and eyes in use: scenes to pictures, latents and visual tokens."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor

from workers.checkpoint.demo.vq import Eyes
from workers.checkpoint.demo.world.drawing import draw
from workers.checkpoint.demo.world.pixels import to_tensor
from workers.checkpoint.demo.world.scenes import Scene

CELL_PX = 32  # a visual token's side
CONDITION_CELLS = 16  # condition pictures have sides of 512 pixels or more


def tensors_of(scenes: Sequence[Scene], cells: tuple[int, int]) -> tuple[Tensor, Tensor]:
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
        """(pictures, rows, cols) of visual tokens, from half-size pictures.

        In float32 as in the product: in bfloat16 two codes of three are others, since the nearest ones are so close.
        """
        with torch.autocast("cpu", enabled=False):
            features = self._eyes.features(halves)
            codes: Tensor = self._eyes.vqmodel.quantize(features)[2]
        return codes.view(len(halves), *features.shape[2:])

    @torch.no_grad()
    def looks(self) -> Tensor:
        """(codes, 48): what each code stands for: its place in the codebook, and how a patch of it looks."""
        book = F.normalize(self._eyes.vqmodel.quantize.embedding.weight, dim=-1)
        patches = self._eyes.rebuilt(book[:, :, None, None].expand(-1, -1, 3, 3))
        side = patches.shape[-1] // 3
        middle = patches[..., side : 2 * side, side : 2 * side].flatten(1)
        middle = middle - middle.mean(0)
        _, _, axes = torch.svd_lowrank(middle, q=32)
        seen = middle @ axes
        return torch.cat((book / book.std(), seen / seen.std()), dim=1)

    @torch.no_grad()
    def embeddings(self, width: int, seed: int) -> Tensor:
        """(codes, width), with a standard deviation of 1: a random projection of how codes look."""
        looks = self.looks()
        spread = torch.randn(looks.shape[1], width, generator=torch.Generator().manual_seed(seed))
        found = (looks - looks.mean(0)) @ spread
        return found / found.std()

    @torch.no_grad()
    def rebuilt(self, codes: Tensor) -> Tensor:
        """Half-size pictures of which only the visual tokens are known, for people to look at."""
        book = self._eyes.vqmodel.quantize.embedding.weight
        quantised = F.normalize(book[codes], dim=-1).permute(0, 3, 1, 2)
        return self._eyes.rebuilt(quantised)
