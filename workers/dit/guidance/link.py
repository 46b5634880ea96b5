"""Sends tensors between the DiT worker and its helper process, which computes one branch of guidance on a second
device. Uses NCCL between GPUs and gloo between CPUs.
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import FileStore, Store  # torch.distributed does not export them

WORKER, HELPER = 0, 1


class Link:
    """A connection between the DiT worker and its helper process (the process that computes on a second device). The
    constructor returns once both processes have connected.

    If one of the two processes dies, the methods raise in the other process.
    """

    def __init__(self, store: Store, rank: int, device: torch.device) -> None:
        self._peer = HELPER if rank == WORKER else WORKER
        self._device = device
        on_gpu = device.type == "cuda"
        # Both processes run on this machine, and a container's own host name may not resolve.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
        dist.init_process_group(
            "nccl" if on_gpu else "gloo", store=store, rank=rank, world_size=2, device_id=device if on_gpu else None
        )

    def send(self, tensor: Tensor) -> None:
        """Sends a tensor to the other process. After this call the tensor may be changed.

        With NCCL the send may still be queued on the CUDA stream. Later changes of the tensor are queued behind it.
        """
        dist.send(tensor.contiguous(), self._peer)

    def receive(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Returns the next tensor that the other process sends, on this process's device.

        Raises `RuntimeError` if the other process died.
        """
        tensor = torch.empty(tuple(shape), dtype=dtype, device=self._device)
        self.expect(tensor)()
        return tensor

    def expect(self, tensor: Tensor) -> Callable[[], object]:
        """Starts to receive the next tensor into `tensor`, and returns a function that waits until the data has
        arrived.
        """
        work = dist.irecv(tensor, self._peer)
        assert work is not None
        return work.wait

    def close(self) -> None:
        dist.destroy_process_group()


def open_store(folder: Path) -> Store:
    """Opens a file in `folder` through which the DiT worker and its helper process connect to each other. Unlike TCP,
    this needs no open port.
    """
    return FileStore(str(folder / "rendezvous"), 2)
