"""Measures the distance between two pictures without a trained network.

The measures are therefore not perceptual like LPIPS.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SCALES = 3
_STABILITY = 170.0  # the constant of the paper (see gradient_distance) for values from 0 to 255


def psnr_db(one: Image.Image, other: Image.Image) -> float:
    """Returns the peak signal-to-noise ratio over all channels in dB; infinite for equal pictures."""
    error = float(((np.asarray(one, dtype=float) - np.asarray(other, dtype=float)) ** 2).mean())
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def gradient_distance(one: Image.Image, other: Image.Image) -> float:
    """Returns the gradient magnitude similarity deviation as the mean over three scales.

    Equal edges give 0; 0.3 is far apart. Source: Xue et al., "Gradient Magnitude Similarity Deviation",
    https://arxiv.org/abs/1308.3052 (which uses one scale).
    """
    pair = [np.asarray(picture.convert("L"), dtype=float) for picture in (one, other)]
    deviations = []
    for _ in range(_SCALES):
        pair = [_halved(grey) for grey in pair]
        first, second = (_gradient(grey) for grey in pair)
        similarity = (2 * first * second + _STABILITY) / (first**2 + second**2 + _STABILITY)
        deviations.append(float(similarity.std()))
    return sum(deviations) / _SCALES


def _halved(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the means of 2x2 pixels. The paper also halves pictures before it compares edges."""
    rows, cols = (side // 2 for side in grey.shape)
    return grey[: 2 * rows, : 2 * cols].reshape(rows, 2, cols, 2).mean(axis=(1, 3))


def _gradient(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the gradient magnitude by Prewitt's operators, without the border."""
    across = (grey[:, 2:] - grey[:, :-2]) / 3
    down = (grey[2:] - grey[:-2]) / 3
    across = across[:-2] + across[1:-1] + across[2:]
    down = down[:, :-2] + down[:, 1:-1] + down[:, 2:]
    magnitude: NDArray[np.float64] = np.hypot(across, down)
    return magnitude
