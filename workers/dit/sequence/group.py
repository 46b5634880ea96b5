"""Connects the processes of all devices of a forward pass: with NCCL between GPUs, with gloo between CPUs."""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import FileStore, Store  # torch.distributed does not export them


def open_store(folder: Path, num_ranks: int) -> Store:
    """Opens a file in `folder` through which the processes connect to each other. Unlike TCP, this needs no open
    port.
    """
    return FileStore(str(folder / "rendezvous"), num_ranks)


def join_group(store: Store, rank: int, num_ranks: int, device: torch.device) -> None:
    """Connects this process to those of the other devices, and returns once all have connected."""
    on_gpu = device.type == "cuda"
    # All processes run on this machine, and a container's own host name may not resolve.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    dist.init_process_group(
        "nccl" if on_gpu else "gloo",
        store=store,
        rank=rank,
        world_size=num_ranks,
        device_id=device if on_gpu else None,
    )


def ready_key(rank: int) -> str:
    """Returns the key of the store that the process of device `rank` sets once it has loaded the model."""
    return f"ready-{rank}"
