"""Weights that leave a GPU and come back: pinned copies in host memory, made once. Decides nothing about turns."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ParkedWeights:
    """All parameters and buffers of some modules. Weights never change, so parking copies nothing: it only forgets.

    Other memory of the process stays where it is: KV memory, latents, keys and values of condition images.
    """

    def __init__(self, modules: Sequence[nn.Module], device: torch.device) -> None:
        """Takes host memory for every weight, and leaves them parked. `device` is where they compute."""
        self._device = device
        self._tensors = {id(tensor): tensor for module in modules for tensor in _tensors(module)}
        self._parked = {key: _pinned(tensor) for key, tensor in self._tensors.items()}
        self.park()

    @property
    def num_bytes(self) -> int:
        return sum(host.numel() * host.element_size() for host in self._parked.values())

    def park(self) -> None:
        """Frees the device's memory, for other processes too."""
        for key, tensor in self._tensors.items():
            tensor.data = self._parked[key]
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def unpark(self) -> None:
        """Copies every weight to the device; returns when the last has arrived."""
        for key, tensor in self._tensors.items():
            tensor.data = self._parked[key].to(self._device, non_blocking=True)
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


class NoParking:
    """For a CPU, where both stages' weights lie in the one memory there is."""

    def park(self) -> None:
        """Nothing to free."""

    def unpark(self) -> None:
        """Nothing to fetch."""


def parking_for(modules: Sequence[nn.Module], device: torch.device) -> ParkedWeights | NoParking:
    """What the device needs."""
    return ParkedWeights(modules, device) if device.type == "cuda" else NoParking()


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _pinned(tensor: Tensor) -> Tensor:
    host = tensor.detach().to("cpu")
    return host.pin_memory() if torch.cuda.is_available() else host
