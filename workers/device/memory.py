"""Says how much memory a worker's GPU has left, at the start and to whoever scrapes the metrics."""

import math
from collections.abc import Callable
from contextlib import suppress

import torch

from shared.jobs.states import Stage
from shared.metrics.catalogue import DEVICE_MEMORY_BYTES

_SHARE = 0.95  # of what is free; the rest is for holes between the allocator's blocks


def room_bytes(device: torch.device) -> int | None:
    """Returns how much this process may still allocate, once its weights are loaded. None for the host's memory."""
    if device.type != "cuda":
        return None
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(_SHARE * (torch.cuda.mem_get_info(device)[0] + unused))


def show_device_memory(stage: Stage, device: torch.device) -> None:
    """Of a device other than CUDA nothing is shown."""
    if device.type != "cuda":
        return
    reads: dict[str, Callable[[], float]] = {
        "total": lambda: torch.cuda.mem_get_info(device)[1],
        "free": lambda: torch.cuda.mem_get_info(device)[0],
        "allocated": lambda: torch.cuda.memory_allocated(device),
        "reserved": lambda: torch.cuda.memory_reserved(device),
    }
    for kind, read in reads.items():
        DEVICE_MEMORY_BYTES.labels(stage.value, kind).set_function(_or_nothing(read))


def _or_nothing(read: Callable[[], float]) -> Callable[[], float]:
    """A device that is lost answers with errors; the page then leaves its memory out."""

    def value() -> float:
        with suppress(Exception):
            return read()
        return math.nan

    return value
