"""Converts pictures to tensors and back, and makes random crops of pictures for training the VAE."""

from dataclasses import replace
from random import Random

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from workers.checkpoint.demo.world.drawing import draw
from workers.checkpoint.demo.world.scenes import random_scene

_CROPS_A_PICTURE = 3


def to_tensor(picture: Image.Image) -> Tensor:
    """Converts a picture to a tensor of shape (3, height, width) with values from -1 to 1."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1


def half_of(picture: Image.Image) -> Image.Image:
    """Returns the picture with half of its width and height, as the processor of the AR model resizes it."""
    return picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BICUBIC)


def to_picture(pixels: Tensor) -> Image.Image:
    """Converts a tensor with values from -1 to 1 to a picture. Clips values outside this range."""
    values = ((pixels.detach().clamp(-1, 1) + 1) * 127.5).round().byte()
    return Image.fromarray(values.permute(1, 2, 0).numpy())


def random_crops(rng: Random, num: int, side_px: int, *, graded: float = 0.0) -> Tensor:
    """Returns `num` random crops of random scenes with a side of 192 to 512 pixels. The shape is (num, 3, side, side).

    Several crops come from one picture, because drawing costs more than cropping. The share `graded` of the scenes gets
    a graded background, which has the colours between two named ones.
    """
    crops: list[Tensor] = []
    while len(crops) < num:
        size = rng.choice([size for size in (192, 256, 256, 384, 512) if size >= side_px])
        scene = random_scene(rng)
        if rng.random() < graded:
            scene = replace(scene, pattern="graded")
        picture = to_tensor(draw(scene, size, size))
        for _ in range(min(_CROPS_A_PICTURE, num - len(crops))):
            x, y = (rng.randint(0, size - side_px) for _ in range(2))
            crops.append(picture[:, y : y + side_px, x : x + side_px])
    return torch.stack(crops)
