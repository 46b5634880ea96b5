"""The decode step on a GPU. It always computes the same number of rows on tensors at fixed addresses, and is replayed
as a CUDA graph.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import structlog
import torch
from torch import Tensor

from shared.errors import Misconfigured
from shared.ids import RenderId
from workers.ar.model.decoder import Decoder
from workers.ar.model.kv_memory import KvMemory
from workers.ar.model.loading import ArModel
from workers.ar.model.step_inputs import StepInputs
from workers.ar.model.step_kernels import StepKernels, torch_kernels, triton_kernels
from workers.ar.sequence import ArSequence
from workers.device.loss import is_device_lost
from workers.device.parked_weights import num_moves

log = structlog.get_logger()

_WARM_UPS = 3  # runs before the capture, in which libraries choose their algorithms and Triton compiles


@dataclass(frozen=True, slots=True)
class _CapturedGraph:
    """A captured CUDA graph, the tensor to which the graph writes tokens, and the addresses of the weights at the time
    of its capture. `num_moves` counts the moves of weights up to the last time at which the addresses were compared.
    """

    graph: torch.cuda.CUDAGraph
    tokens: Tensor
    addresses: Sequence[int]
    num_moves: int


class FixedStep:
    """Runs decode steps that always compute `num_rows` rows, even if there are fewer sequences. On a GPU, the number of
    rows in a matrix product changes the rounding of its result, and a picture must not depend on the number of other
    renders beside it.

    A step runs the model, draws random numbers and samples tokens. It copies its inputs to the device once and the
    tokens back once. Nothing else in a step synchronises with the host.
    """

    def __init__(self, model: ArModel, memory: KvMemory, kernels: StepKernels, num_rows: int) -> None:
        self._kernels, self._num_rows = kernels, num_rows
        self._decoder = Decoder(model.network, memory, kernels.attention, kernels.ops)
        self._inputs = StepInputs(num_rows, memory.scratch, model.sampling, model.device)
        self._weights = tuple(model.network.parameters())
        self._recorded: _CapturedGraph | None = None

    @property
    def facts(self) -> Mapping[str, str]:
        """Says for manifests whether steps replay a CUDA graph, which code computes attention, and how many rows a step
        computes, because rounding depends on them.
        """
        facts = {"attention": self._kernels.name, "rows": str(self._num_rows)}
        return {"step": "graph" if self._recorded else "eager", **facts}

    @torch.inference_mode()
    def run(self, sequences: Sequence[ArSequence]) -> Sequence[int]:
        with self._current_device():
            self._inputs.write(sequences)
            return self._tokens()[: len(sequences)].tolist()

    def forget(self, render_id: RenderId) -> None:
        """Does nothing, because this object stores nothing for a render: the random numbers are a hash of the step's
        inputs.
        """

    @torch.inference_mode()
    def capture(self) -> None:
        """Runs the step three times without sequences, then captures it as a CUDA graph.

        Needs a CUDA device. Raises any error of the driver, the compiler or a library.
        """
        with self._current_device():
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(_WARM_UPS):
                    self._eager()
            torch.cuda.current_stream().wait_stream(side)
            self._recorded = self._record()

    def _record(self) -> _CapturedGraph:
        """Captures the step as a CUDA graph. The step has run before, so that no library initialises itself now."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            tokens = self._eager()
        return _CapturedGraph(graph, tokens, self._weight_addresses(), num_moves())

    def _current_device(self) -> AbstractContextManager[None]:
        """Returns a context manager that makes the tensors' GPU the thread's current GPU. On a CPU it does nothing.

        Triton and CUDA graphs use the current GPU, whatever device the tensors are on.
        """
        return torch.cuda.device_of(self._inputs.inputs.token_ids)  # type: ignore[no-untyped-call]

    def _tokens(self) -> Tensor:
        """Returns the next token of each row, by replaying the CUDA graph if one was captured.

        A graph reads the model's weights by their addresses. Weights that were parked (moved to host memory while
        another process used the GPU) may come back to other addresses. Then the step is captured again, which takes
        much less time than a turn on a shared GPU. The addresses of a thousand weights are compared only after a move.
        """
        if self._recorded is None:
            return self._eager()
        if self._recorded.num_moves != (moves := num_moves()):
            has_moved = self._recorded.addresses != self._weight_addresses()
            self._recorded = self._record() if has_moved else replace(self._recorded, num_moves=moves)
        self._recorded.graph.replay()
        return self._recorded.tokens

    def _weight_addresses(self) -> Sequence[int]:
        return [weight.data_ptr() for weight in self._weights]

    def _eager(self) -> Tensor:
        """Computes the next token of each row (rows,) without replaying a CUDA graph.

        It reads only the input buffer and the KV memory. So the same computation can be captured as a graph and
        replayed.
        """
        fed = self._inputs.inputs
        logits = self._decoder.decode(fed.token_ids, fed.starts, fed.lengths)
        return self._kernels.sample(logits, fed)


def start_fixed_step(model: ArModel, memory: KvMemory, num_rows: int, *, may_be_eager: bool) -> FixedStep:
    """Returns a decode step for a GPU, captured as a CUDA graph.

    If that fails, raises `Misconfigured` with the reason. With `may_be_eager` it logs the reason in one line instead.
    The returned step then runs without a graph and computes everything with torch, attention row by row. It is several
    times slower, and its tokens differ, because other kernels round differently. Raises the error itself if the device
    is lost.
    """
    try:
        step = FixedStep(model, memory, triton_kernels(model, memory, num_rows), num_rows)
        step.capture()
    except Exception as error:
        if is_device_lost(error, model.device):
            raise
        first_line = str(error).strip().partition("\n")[0]
        reason = f"{type(error).__name__}: {first_line}"
        if not may_be_eager:
            raise Misconfigured(
                f"the decode step can't be recorded as a CUDA graph ({reason}). Triton needs a C compiler, such as "
                "gcc. GRIDPRESS_AR_EAGER=true decodes without a graph, several times slower and with other pictures"
            ) from error
        log.warning("ar.graph_unavailable", reason=reason)
        return FixedStep(model, memory, torch_kernels(model, memory), num_rows)
    return step
