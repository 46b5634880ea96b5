"""Converts pictures to tensors and back, and makes random crops of pictures for training the VAE."""

from random import Random

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from workers.checkpoint.demo.world.drawing import draw
from workers.checkpoint.demo.world.scenes import random_scene


def to_tensor(picture: Image.Image) -> Tensor:
    """Converts a picture to a tensor of shape (3, height, width) with values from -1 to 1."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1


def to_picture(pixels: Tensor) -> Image.Image:
    """Converts a tensor with values from -1 to 1 to a picture. Clips values outside this range."""
    values = ((pixels.detach().clamp(-1, 1) + 1) * 127.5).round().byte()
    return Image.fromarray(values.permute(1, 2, 0).numpy())


def random_crop(rng: Random, side_px: int) -> Tensor:
    """Draws a random scene with a side of 192 to 512 pixels and returns a random crop of it, with shape (3, side,
    side).
    """
    size = rng.choice([size for size in (192, 256, 256, 384, 512) if size >= side_px])
    picture = draw(random_scene(rng), size, size)
    x, y = (rng.randint(0, size - side_px) for _ in range(2))
    return to_tensor(picture.crop((x, y, x + side_px, y + side_px)))
