"""The messages from the DiT worker to its helper process (the process that computes on a second device), each one line
of JSON. The first message says what to load. Each later message describes one forward pass.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from workers.dit.model.options import DitOptions

READY = "helper"  # the key that the helper sets in the shared store once it has loaded


@dataclass(frozen=True, slots=True)
class HelperPlan:
    """The first message to the helper process, with everything that decides how the helper computes. `rendezvous` is
    the folder with the file through which worker and helper connect; only this user can read the folder.
    """

    model: str
    device: str
    dtype: str
    threads: int
    rendezvous: str
    options: Mapping[str, Any]

    @classmethod
    def of(cls, model: str, device: torch.device, dtype: torch.dtype, options: DitOptions, rendezvous: Path) -> Self:
        """Returns the message for a helper on `device`, with the worker's own weights, type, number of threads and
        options.
        """
        return cls(model, str(device), _name(dtype), torch.get_num_threads(), str(rendezvous), asdict(options))

    @property
    def torch_dtype(self) -> torch.dtype:
        return _dtype(self.dtype)


@dataclass(frozen=True, slots=True)
class Pass:
    """The message before a forward pass: the shapes and types of the two tensors that follow. They are the latents and
    the embedded time of a denoise step.
    """

    latents: tuple[int, ...]
    latents_type: str
    time: tuple[int, ...]
    time_type: str

    @classmethod
    def of(cls, latents: Tensor, time: Tensor) -> Self:
        return cls(tuple(latents.shape), _name(latents.dtype), tuple(time.shape), _name(time.dtype))

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        return cls(**json.loads(line))

    @property
    def latents_dtype(self) -> torch.dtype:
        return _dtype(self.latents_type)

    @property
    def time_dtype(self) -> torch.dtype:
        return _dtype(self.time_type)


def to_line(message: HelperPlan | Pass) -> bytes:
    """Returns the message as one line of JSON."""
    return json.dumps(asdict(message)).encode() + b"\n"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _dtype(name: str) -> torch.dtype:
    dtype: torch.dtype = getattr(torch, name)
    return dtype
