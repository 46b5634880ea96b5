"""Runs decode steps on a CPU or a GPU: from the last token of each sequence to the next few."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import structlog
import torch
from torch import Tensor

from shared.errors import Misconfigured
from workers.ar.model.decoder import Decoder
from workers.ar.model.kv_memory import KvMemory
from workers.ar.model.loading import ArModel
from workers.ar.model.runner import ArRunner, allocate_kv_memory
from workers.ar.model.step_graph import StepGraph
from workers.ar.model.step_inputs import StepInputs
from workers.ar.model.step_kernels import StepKernels, cpu_kernels, torch_kernels, triton_kernels
from workers.ar.sequence import ArSequence
from workers.device.loss import is_device_lost

log = structlog.get_logger()


class DecodeLoop:
    """Runs decode steps. The host writes the state of all sequences, then the device runs some steps by itself, then
    the host reads their tokens. Nothing else in these steps waits for the host.

    - A step runs the model, draws random numbers, samples tokens and makes them the inputs of the next step.
    - A GPU computes `num_rows` rows in each step, even if there are fewer sequences. On a GPU, the number of rows in a
      matrix product changes the rounding of its result, and a picture must not depend on the number of other renders
      beside it.
    - A CPU computes one row for each sequence.
    """

    def __init__(
        self, model: ArModel, memory: KvMemory, decoder: Decoder, kernels: StepKernels, num_rows: int, *, is_fixed: bool
    ) -> None:
        """Creates a loop that computes steps without a graph. `num_rows` is the largest number of sequences in a step.
        With `is_fixed`, each step computes that number of rows.
        """
        self._decoder = decoder
        self._kernels = kernels
        self._inputs = StepInputs(num_rows, memory.scratch, model.sampling, model.device, is_fixed=is_fixed)
        self._weights = tuple(model.network.parameters())
        self._rows = {"rows": str(num_rows)} if is_fixed else {}
        self._graph: StepGraph | None = None
        self._step: Callable[[], None] = self.compute

    @property
    def facts(self) -> Mapping[str, str]:
        """Says for manifests whether steps replay a CUDA graph and which code computes attention. It also says how many
        rows a step computes if the number is fixed, because rounding depends on it.
        """
        return {"step": "graph" if self._graph else "eager", "attention": self._kernels.name, **self._rows}

    @torch.inference_mode()
    def run(self, sequences: Sequence[ArSequence], num_steps: int) -> Sequence[Sequence[int]]:
        """Returns the next `num_steps` tokens of each prefilled sequence, in the order of the sequences.

        A token is `NOT_A_NUMBER` if the logits of its step are NaN or infinite. Tokens after it mean nothing. Each
        sequence must need at least `num_steps` more tokens.
        """
        with self._current_device():
            self._inputs.write(sequences)
            for _ in range(num_steps):
                self._step()
            return self._inputs.sampled(sequences, num_steps)

    @torch.inference_mode()
    def record(self) -> None:
        """Records the step as a CUDA graph, which all later steps replay. Raises any error of the driver, the compiler
        or a library.
        """
        with self._current_device():
            self._inputs.write(())  # all rows are unused while it is recorded
            self._graph = StepGraph(self.compute, self._weights)
            self._step = self._graph.replay

    def compute(self) -> None:
        """Computes one step without replaying a CUDA graph.

        It reads and writes only tensors at fixed addresses. So the same computation can be recorded as a graph.
        """
        inputs = self._inputs.inputs
        logits = self._decoder.decode(inputs.token_ids, inputs.starts, inputs.lengths)
        self._inputs.advance(self._sample(logits))

    def _sample(self, logits: Tensor) -> Tensor:
        return self._kernels.sample(logits, self._inputs.inputs)

    def _current_device(self) -> AbstractContextManager[None]:
        """Returns a context manager that makes the tensors' GPU the thread's current GPU. On a CPU it does nothing.

        Triton and CUDA graphs use the current GPU, whatever device the tensors are on.
        """
        return torch.cuda.device_of(self._inputs.inputs.token_ids)  # type: ignore[no-untyped-call]


def start_decoding(
    model: ArModel, num_kv_tokens: int, num_rows: int, *, may_be_eager: bool = False
) -> tuple[ArRunner, DecodeLoop]:
    """Allocates the KV memory, and returns the runner of prefills and the loop of decode steps on this memory. Both
    compute with the same kernels, so keys and values round alike in a prefill and in a decode step.

    `num_rows` is the largest number of sequences in a step. On a GPU the step is recorded as a CUDA graph. If that
    fails, raises `Misconfigured` with the reason. With `may_be_eager` it logs the reason in one line instead. Then
    steps run without a graph, and torch computes everything, attention row by row. That is several times slower, and
    the tokens differ, because other kernels round differently. Raises the error itself if the device is lost.
    """
    memory = allocate_kv_memory(model, num_kv_tokens)
    if _is_cpu(model):
        return _with_kernels(model, memory, cpu_kernels(model, memory), num_rows, is_fixed=False)
    try:
        runner, loop = _with_kernels(model, memory, triton_kernels(model, memory, num_rows), num_rows, is_fixed=True)
        loop.record()
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
        return _with_kernels(model, memory, torch_kernels(model, memory), num_rows, is_fixed=True)
    return runner, loop


def _with_kernels(
    model: ArModel, memory: KvMemory, kernels: StepKernels, num_rows: int, *, is_fixed: bool
) -> tuple[ArRunner, DecodeLoop]:
    decoder = Decoder(model.network, memory, kernels.attention, kernels.ops)
    loop = DecodeLoop(model, memory, decoder, kernels, num_rows, is_fixed=is_fixed)
    return ArRunner(model, memory, decoder), loop


def _is_cpu(model: ArModel) -> bool:
    return model.device.type == "cpu"
