"""Moves a model's weights from a GPU to pinned host memory ("parks" them) and back. It does not decide when."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workers.device.pinned import pinned_copies


class _Moves:
    """How often this process has moved weights to its device."""

    num = 0


def num_moves() -> int:
    """Returns how often this process has moved weights to its device after it had loaded them. While the number stays
    the same, all weights have the same addresses.
    """
    return _Moves.num


class ParkedWeights:
    """The weights of some modules, which can be parked in host memory so that other processes can use the GPU's memory.
    The host always has a copy of the weights. So parking only frees the copy on the GPU, since weights never change.

    Other memory of this process stays on the GPU: KV memory, latents, and the keys and values of condition images.
    """

    def __init__(self, modules: Sequence[nn.Module], device: torch.device) -> None:
        """Copies every weight to host memory, and frees the weights on the GPU. `device` is the GPU to which `unpark`
        copies the weights back.
        """
        self._device = device
        self._tensors = {id(tensor): tensor for module in modules for tensor in _tensors(module)}
        copies = pinned_copies(list(self._tensors.values()))
        self._parked = dict(zip(self._tensors, copies, strict=True))
        self.park()

    @property
    def num_bytes(self) -> int:
        return sum(host.numel() * host.element_size() for host in self._parked.values())

    def park(self) -> None:
        """Frees the weights' memory on the GPU, so that other processes can use that memory."""
        for key, tensor in self._tensors.items():
            tensor.data = self._parked[key]
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def unpark(self) -> None:
        """Copies every weight to the GPU. Returns when the copy is complete."""
        _Moves.num += 1
        for key, tensor in self._tensors.items():
            tensor.data = self._parked[key].to(self._device, non_blocking=True)
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


class NoParking:
    """Replaces `ParkedWeights` on a CPU. It does nothing, because on a CPU the weights of both stages stay in host
    memory anyway.
    """

    def park(self) -> None:
        """Does nothing: on a CPU there is no device memory to free."""

    def unpark(self) -> None:
        """Does nothing: on a CPU the weights are always in host memory."""


def parking_for(modules: Sequence[nn.Module], device: torch.device) -> ParkedWeights | NoParking:
    """Returns the object that parks the modules' weights (moves them to host memory): `ParkedWeights` on a GPU,
    `NoParking` on a CPU.
    """
    return ParkedWeights(modules, device) if device.type == "cuda" else NoParking()


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
