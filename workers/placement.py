"""Where a model runs and in which type: CUDA with bfloat16 where there is a GPU, else the CPU with float32."""

from dataclasses import dataclass

import torch

from shared.errors import Misconfigured
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Placement:
    """A device and the floating-point type of the weights on it."""

    device: torch.device
    dtype: torch.dtype


def place(settings: Settings) -> Placement:
    """Applies the settings' CPU threads. Raises `Misconfigured` for a device that is none or not there."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    try:
        device = torch.device(settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise Misconfigured(f"GRIDPRESS_DEVICE={settings.device} is no device: use cuda, cuda:N or cpu") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise Misconfigured(f"GRIDPRESS_DEVICE={settings.device}, but torch finds no GPU")
    name = settings.dtype or ("bfloat16" if device.type == "cuda" else "float32")
    return Placement(device, getattr(torch, name))
