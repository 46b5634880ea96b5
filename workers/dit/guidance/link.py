"""Two processes and the tensors between them: NCCL between GPUs, gloo between CPUs. Knows nothing of pictures."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import FileStore, Store  # what torch.distributed hands on without naming it

WORKER, HELPER = 0, 1


class Link:
    """One of two ranks. Both must be made for either to return; a rank that dies makes the other's calls raise."""

    def __init__(self, store: Store, rank: int, device: torch.device) -> None:
        self._peer = HELPER if rank == WORKER else WORKER
        self._device = device
        on_gpu = device.type == "cuda"
        # Both live on this machine, and a container's own host name may resolve to nothing.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
        dist.init_process_group(
            "nccl" if on_gpu else "gloo", store=store, rank=rank, world_size=2, device_id=device if on_gpu else None
        )

    def send(self, tensor: Tensor) -> None:
        """Returns when the tensor may be changed; with NCCL that is a matter of the stream, not of this thread."""
        dist.send(tensor.contiguous(), self._peer)

    def receive(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """The peer's next tensor, on this rank's device. Raises `RuntimeError` when the peer is gone."""
        tensor = torch.empty(tuple(shape), dtype=dtype, device=self._device)
        self.expect(tensor)()
        return tensor

    def expect(self, tensor: Tensor) -> Callable[[], object]:
        """Takes the peer's next tensor into `tensor` whenever it comes; what is returned waits for it."""
        work = dist.irecv(tensor, self._peer)
        assert work is not None
        return work.wait

    def close(self) -> None:
        dist.destroy_process_group()


def open_store(folder: Path) -> Store:
    """Where the two find each other: a file, which listens on no port."""
    return FileStore(str(folder / "rendezvous"), 2)
