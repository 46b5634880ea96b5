"""Draws scenes as pictures, and encodes pictures as latents and visual tokens with the trained VAE, vision encoder and
codebook.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from diffusers import AutoencoderKL
from torch import Tensor

from workers.checkpoint.demo.models.eyes import Eyes, kinds_of
from workers.checkpoint.demo.models.precision import mixed_precision
from workers.checkpoint.demo.world.drawing import draw, draw_figures
from workers.checkpoint.demo.world.pixels import half_of, to_tensor
from workers.checkpoint.demo.world.scenes import Scene

CELL_PX = 32  # side of the square that a visual token covers
CONDITION_CELLS = 16  # visual tokens on a side of a condition image, whose sides have 512 pixels or more


def tensors_of(scenes: Sequence[Scene], cells: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Draws the scenes (a scene is a background with shapes and a word). Returns the pictures as two tensors of shape
    (scenes, 3, height, width).

    The pictures of the first tensor have the full size, for the DiT. Those of the second tensor have half of this width
    and height, for the AR model. `cells` are the numbers of rows and columns of visual tokens in a picture.
    """
    height, width = cells[0] * CELL_PX, cells[1] * CELL_PX
    drawn = [draw(scene, width, height) for scene in scenes]
    return torch.stack([to_tensor(one) for one in drawn]), torch.stack([to_tensor(half_of(one)) for one in drawn])


class Encoders:
    """Encodes pictures with the trained vision encoder and codebook and, where latents are needed, the trained VAE.

    All these weights are frozen.
    """

    def __init__(self, eyes: Eyes, vae: AutoencoderKL | None = None) -> None:
        self._eyes, self._vae = eyes.eval().requires_grad_(requires_grad=False), vae
        if vae is not None:
            vae.eval().requires_grad_(requires_grad=False)
            statistics = (vae.config.latents_mean, vae.config.latents_std)
            self._mean, self._std = (torch.tensor(values).view(1, -1, 1, 1) for values in statistics)

    @torch.no_grad()
    def latents(self, pictures: Tensor) -> Tensor:
        """Encodes pictures with the VAE and returns normalised latents with shape (pictures, 16, height / 8, width /
        8).
        """
        assert self._vae
        with mixed_precision():
            found = self._vae.encode(pictures).latent_dist.mode()
        return (found.float() - self._mean) / self._std

    @torch.no_grad()
    def pictures(self, latents: Tensor) -> Tensor:
        """Decodes normalised latents with the VAE.

        Returns pictures with shape (pictures, 3, height, width) and values from -1 to 1.
        """
        assert self._vae
        decoded: Tensor = self._vae.decode(latents * self._std + self._mean).sample
        return decoded

    @torch.no_grad()
    def codes(self, halves: Tensor) -> Tensor:
        """Encodes pictures as visual tokens, with shape (pictures, rows, columns). The pictures in `halves` have half
        of the full width and height.

        Computes in float32 like the workers. The nearest codes are so close to each other that two of three visual
        tokens would differ in bfloat16.
        """
        with torch.autocast("cpu", enabled=False):
            features = self._eyes.features(halves)
            codes: Tensor = self._eyes.vqmodel.quantize(features)[2]
        return codes.view(len(halves), *features.shape[2:])

    def codes_of(self, scenes: Sequence[Scene], cells: tuple[int, int]) -> Tensor:
        """Returns the visual tokens that the AR model shall write for these scenes (a scene is a background with shapes
        and a word). They have shape (scenes, rows, columns), and `cells` are the rows and columns.

        Shapes and words are encoded on grey, with boxes as letters, and the background is encoded without them. So the
        token of a part of a shape is the same on all backgrounds, and those of words of one length are the same.
        """
        height, width = cells[0] * CELL_PX, cells[1] * CELL_PX
        figures = [draw_figures(scene, width, height) for scene in scenes]
        backgrounds = [draw(replace(scene, shapes=(), word=""), width, height) for scene in scenes]
        of_figures, of_backgrounds = self.codes(
            torch.stack([to_tensor(half_of(one)) for one in figures + backgrounds])
        ).chunk(2)
        kinds = torch.stack([kinds_of(scene, cells) for scene in scenes])
        return torch.where(kinds > 0, of_figures, of_backgrounds)

    @torch.no_grad()
    def looks(self) -> Tensor:
        """Returns a description of each code of the codebook, with shape (codes, 48).

        A description has 16 numbers from the code's entry in the codebook. Its other 32 numbers describe how the code
        looks when it is decoded to a patch.
        """
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
        """Returns initial embeddings of all codes, with shape (codes, width) and a standard deviation of 1.

        They are a random projection of the descriptions from `looks`.
        """
        looks = self.looks()
        spread = torch.randn(looks.shape[1], width, generator=torch.Generator().manual_seed(seed))
        found = (looks - looks.mean(0)) @ spread
        return found / found.std()

    @torch.no_grad()
    def rebuilt(self, codes: Tensor) -> Tensor:
        """Decodes visual tokens to pictures that people can look at. The pictures have half of the full width and
        height.
        """
        book = self._eyes.vqmodel.quantize.embedding.weight
        quantised = F.normalize(book[codes], dim=-1).permute(0, 3, 1, 2)
        return self._eyes.rebuilt(quantised)
