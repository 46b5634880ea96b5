"""Where a model runs and in which type: CUDA with bfloat16 where there is a GPU, else the CPU with float32."""

from dataclasses import dataclass

import torch

from shared.errors import Misconfigured
from shared.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Placement:
    """A device and the floating-point type of the weights on it."""

    device: torch.device
    dtype: torch.dtype

    @property
    def device_name(self) -> str:
        """The same in every process of this machine, whatever devices each of them sees."""
        if self.device.type != "cuda":
            return self.device.type
        return str(torch.cuda.get_device_properties(self.device).uuid)


def place(settings: Settings, device: torch.device | None = None) -> Placement:
    """Applies the settings' CPU threads. A `device` that is given goes before the settings' own.

    Raises `Misconfigured` for a device that is none or not there.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    given = settings.device or ("cuda" if torch.cuda.is_available() else "cpu")
    device = device or _device(given, f"GRIDPRESS_DEVICE={settings.device}")
    name = settings.dtype or ("bfloat16" if device.type == "cuda" else "float32")
    return Placement(device, getattr(torch, name))


def guidance_devices(settings: Settings) -> tuple[torch.device, torch.device] | None:
    """Where the conditional and the unconditional branch run; None when both run where the model is.

    Raises `Misconfigured` unless these are two devices of one kind, and not the same GPU twice.
    """
    if not settings.dit_guidance_devices:
        return None
    setting = f"GRIDPRESS_DIT_GUIDANCE_DEVICES={settings.dit_guidance_devices}"
    devices = [_device(name.strip(), setting) for name in settings.dit_guidance_devices.split(",")]
    if len(devices) != 2 or devices[0].type != devices[1].type or _is_one_gpu(*devices):
        raise Misconfigured(f"{setting} must name two devices of one kind, such as cuda:0,cuda:1")
    if settings.share_device:
        raise Misconfigured("GRIDPRESS_SHARE_DEVICE and GRIDPRESS_DIT_GUIDANCE_DEVICES exclude each other")
    return devices[0], devices[1]


def _is_one_gpu(one: torch.device, other: torch.device) -> bool:
    """`cuda` is `cuda:0`, whatever torch's comparison says."""
    return one.type == "cuda" and (one.index or 0) == (other.index or 0)


def _device(name: str, setting: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise Misconfigured(f"{setting} is no device: use cuda, cuda:N or cpu") from error
    if device.type not in {"cuda", "cpu"}:
        raise Misconfigured(f"{setting} is not supported: use cuda, cuda:N or cpu")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise Misconfigured(f"{setting}, but torch finds no GPU")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise Misconfigured(f"{setting}, but torch finds {torch.cuda.device_count()} GPUs, counted from 0")
    return device
