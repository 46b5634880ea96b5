"""Chooses the device and the floating-point type for a model. The default is CUDA with bfloat16 if there is a GPU, else
the CPU with float32.
"""

from dataclasses import dataclass

import torch

from shared.errors import Misconfigured
from shared.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Placement:
    """A device, and the floating-point type of the weights on it."""

    device: torch.device
    dtype: torch.dtype

    @property
    def device_name(self) -> str:
        """The device's name. A device has the same name in all processes of this machine, even if the processes see
        different subsets of the GPUs.
        """
        if self.device.type != "cuda":
            return self.device.type
        return str(torch.cuda.get_device_properties(self.device).uuid)

    @property
    def title(self) -> str:
        """The name of the kind of device for people, such as `NVIDIA H100 80GB HBM3` or `cpu`."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type


def place(settings: Settings, device: torch.device | None = None) -> Placement:
    """Returns the device and the floating-point type that the settings choose. Also sets the number of CPU threads from
    the settings.

    A given `device` takes precedence over the settings. Raises `Misconfigured` if the device is invalid or missing.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    given = settings.device or ("cuda" if torch.cuda.is_available() else "cpu")
    device = device or _device(given, f"GRIDPRESS_DEVICE={settings.device}")
    name = settings.dtype or ("bfloat16" if device.type == "cuda" else "float32")
    return Placement(device, getattr(torch, name))


def guidance_devices(settings: Settings) -> tuple[torch.device, torch.device] | None:
    """Returns the devices for the two branches of guidance, first the device for the conditional branch. Returns None
    if both branches run on the model's device.

    Raises `Misconfigured` unless the setting names two devices of the same kind that are not the same GPU. Also raises
    it if the device is shared with other processes.
    """
    if not settings.dit_guidance_devices:
        return None
    setting = f"GRIDPRESS_DIT_GUIDANCE_DEVICES={settings.dit_guidance_devices}"
    devices = _several(settings.dit_guidance_devices, setting)
    if len(devices) != 2:
        raise Misconfigured(f"{setting} must name two devices of one kind, such as cuda:0,cuda:1")
    if settings.share_device:
        raise Misconfigured("GRIDPRESS_SHARE_DEVICE and GRIDPRESS_DIT_GUIDANCE_DEVICES exclude each other")
    return devices[0], devices[1]


def sequence_devices(settings: Settings) -> tuple[torch.device, ...] | None:
    """Returns the devices that divide the tokens of a large picture, first the worker's own. Returns None if the
    setting names none.

    Raises `Misconfigured` unless it names at least two devices of the same kind and no GPU twice. Also raises it if the
    device is shared with other processes, or if two devices compute the branches of guidance.
    """
    if not settings.dit_sequence_devices:
        return None
    name = "GRIDPRESS_DIT_SEQUENCE_DEVICES"
    devices = _several(settings.dit_sequence_devices, f"{name}={settings.dit_sequence_devices}")
    if settings.share_device:
        raise Misconfigured(f"GRIDPRESS_SHARE_DEVICE and {name} exclude each other")
    if settings.dit_guidance_devices:
        raise Misconfigured(f"GRIDPRESS_DIT_GUIDANCE_DEVICES and {name} exclude each other")
    return devices


def _several(names: str, setting: str) -> tuple[torch.device, ...]:
    """Returns the devices in a list of names. Raises `Misconfigured` unless they are at least two, of one kind, and no
    GPU is among them twice.
    """
    devices = tuple(_device(name.strip(), setting) for name in names.split(","))
    gpus = [device for device in devices if device.type == "cuda"]
    if len(devices) < 2 or len({device.type for device in devices}) > 1 or len(set(gpus)) < len(gpus):
        raise Misconfigured(f"{setting} must name two devices of one kind, such as cuda:0,cuda:1")
    return devices


def _device(name: str, setting: str) -> torch.device:
    """Returns the device with this name. A GPU always has an index: `cuda` becomes `cuda:0`.

    torch considers `cuda` and `cuda:0` different, and NCCL refuses a device without an index.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise Misconfigured(f"{setting} is not a device: use cuda, cuda:N or cpu") from error
    if device.type not in {"cuda", "cpu"}:
        raise Misconfigured(f"{setting} is not supported: use cuda, cuda:N or cpu")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise Misconfigured(f"{setting}, but torch finds no GPU")
    if device.type == "cpu":
        return device
    index = device.index or 0
    if index >= torch.cuda.device_count():
        raise Misconfigured(f"{setting}, but torch finds {torch.cuda.device_count()} GPUs, counted from 0")
    return torch.device("cuda", index)
