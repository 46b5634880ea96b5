"""Replays a decode step as a CUDA graph, which a GPU launches at once instead of kernel by kernel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from workers.device.parked_weights import num_moves

_WARM_UPS = 3  # runs before the recording, in which libraries choose their algorithms and Triton compiles


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A CUDA graph, and the addresses of the weights when it was recorded. `num_moves` counts the moves of weights up
    to the last time at which the addresses were compared.
    """

    graph: torch.cuda.CUDAGraph
    addresses: Sequence[int]
    num_moves: int


class StepGraph:
    """Records a computation as a CUDA graph and replays it. The computation must read and write only tensors at fixed
    addresses.

    A graph reads the model's weights by their addresses. Weights that were parked (moved to host memory while another
    process used the GPU) may come back to other addresses. Then the computation is recorded again, which takes much
    less time than a turn on a shared GPU. The addresses of a thousand weights are compared only after a move.
    """

    def __init__(self, compute: Callable[[], None], weights: Sequence[Tensor]) -> None:
        """Runs the computation three times, then records it. Needs a CUDA device. Raises any error of the driver, the
        compiler or a library.
        """
        self._compute = compute
        self._weights = weights
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                compute()
        torch.cuda.current_stream().wait_stream(side)
        self._recorded = self._record()

    def replay(self) -> None:
        if self._recorded.num_moves != (moves := num_moves()):
            has_moved = self._recorded.addresses != self._weight_addresses()
            self._recorded = self._record() if has_moved else replace(self._recorded, num_moves=moves)
        self._recorded.graph.replay()

    def _record(self) -> _Recorded:
        """Records the computation. It has run before, so that no library initialises itself now."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._compute()
        return _Recorded(graph, self._weight_addresses(), num_moves())

    def _weight_addresses(self) -> Sequence[int]:
        return [weight.data_ptr() for weight in self._weights]
