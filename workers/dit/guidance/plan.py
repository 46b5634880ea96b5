"""What the worker tells its helper, a line of JSON each: once what to load, then what the next pass looks like."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from workers.dit.model.options import DitOptions

READY = "helper"  # the key that the helper sets once it has loaded


@dataclass(frozen=True, slots=True)
class HelperPlan:
    """All that decides how the helper computes. `rendezvous` is a folder that only this user can read."""

    model: str
    device: str
    dtype: str
    threads: int
    rendezvous: str
    options: Mapping[str, Any]

    @classmethod
    def of(cls, model: str, device: torch.device, dtype: torch.dtype, options: DitOptions, rendezvous: Path) -> Self:
        """The same weights, type, threads and options as the worker's, on another device."""
        return cls(model, str(device), _name(dtype), torch.get_num_threads(), str(rendezvous), asdict(options))

    @property
    def torch_dtype(self) -> torch.dtype:
        return _dtype(self.dtype)


@dataclass(frozen=True, slots=True)
class Pass:
    """Shapes and types of the two tensors that follow: the latents and the embedded time of one step."""

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
    """One line of JSON."""
    return json.dumps(asdict(message)).encode() + b"\n"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _dtype(name: str) -> torch.dtype:
    dtype: torch.dtype = getattr(torch, name)
    return dtype
