"""Reports the free memory of a worker's GPU, once at start-up and continuously as metrics."""

import math
from collections.abc import Callable
from contextlib import suppress

import torch

from shared.jobs.states import Stage
from shared.metrics.catalogue import DEVICE_MEMORY_BYTES

_SHARE = 0.95  # of the free memory; the rest is for fragmentation in torch's allocator


def room_bytes(device: torch.device, most: int | None = None) -> int | None:
    """Returns how many bytes of GPU memory this process may still allocate. It is called after the weights are loaded.

    `most` is the limit of all memory of this process; None: what is free. Returns None on a CPU, whose memory is not
    counted.
    """
    if device.type != "cuda":
        return None
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free = torch.cuda.mem_get_info(device)[0] + unused
    own = free if most is None else max(0, most - torch.cuda.memory_allocated(device))
    return int(_SHARE * min(free, own))


def show_device_memory(stage: Stage, device: torch.device) -> None:
    """Registers metrics gauges of a GPU's memory. Does nothing on a CPU."""
    if device.type != "cuda":
        return
    reads: dict[str, Callable[[], float]] = {
        "total": lambda: torch.cuda.mem_get_info(device)[1],
        "free": lambda: torch.cuda.mem_get_info(device)[0],
        "allocated": lambda: torch.cuda.memory_allocated(device),
        "reserved": lambda: torch.cuda.memory_reserved(device),
    }
    for kind, read in reads.items():
        DEVICE_MEMORY_BYTES.labels(stage.value, kind).set_function(_or_nan(read))


def _or_nan(read: Callable[[], float]) -> Callable[[], float]:
    """Returns a function that calls `read`, and returns NaN if `read` raises. Reading the memory of a lost device
    raises.
    """

    def value() -> float:
        with suppress(Exception):
            return read()
        return math.nan

    return value
