"""A GPU's decode step: always as many rows, over tensors that stay where they are, replayed as a CUDA graph."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import structlog
import torch
from torch import Tensor

from shared.ids import RenderId
from workers.ar.model.attention import Attention, RowAttention
from workers.ar.model.decoder import Decoder
from workers.ar.model.kv_memory import KvMemory
from workers.ar.model.loading import ArModel
from workers.ar.model.step_inputs import StepInputs
from workers.ar.noise import CounterNoise
from workers.ar.sampler import pick_sorted, sample
from workers.ar.sequence import ArSequence

log = structlog.get_logger()

_WARM_UPS = 3  # libraries pick their algorithms and Triton compiles before anything is recorded


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A graph, what it writes its tokens to, and where the weights were that it reads."""

    graph: torch.cuda.CUDAGraph
    tokens: Tensor
    places: Sequence[int]


class FixedStep:
    """Model, noise and sampling of `num_rows` rows, those without a sequence included.

    On a GPU the shape of a product decides how it is rounded, and a picture must not depend on how many others there
    are. One copy to the device before a step, one of the tokens back after it, and no other word between them.
    """

    def __init__(self, model: ArModel, memory: KvMemory, attention: Attention, num_rows: int) -> None:
        self._decoder = Decoder(model.network, memory, attention)
        self._noise = CounterNoise(model.network.config.text_config.vision_vocab_size, model.device)
        self._choose = partial(pick_sorted, top_k=model.sampling.top_k)
        self._codes = slice(model.sampling.num_codes)
        self._inputs = StepInputs(num_rows, memory.scratch, model.sampling, model.device)
        self._weights = tuple(model.network.parameters())
        self._recorded: _Recorded | None = None

    @torch.inference_mode()
    def run(self, sequences: Sequence[ArSequence]) -> Sequence[int]:
        with self._own_device():
            self._inputs.write(sequences)
            return self._tokens()[: len(sequences)].tolist()

    def forget(self, render_id: RenderId) -> None:
        """There is nothing to forget: noise is a hash of what a step feeds."""

    @torch.inference_mode()
    def capture(self) -> None:
        """Runs the step a few times with idle rows, then records it. Needs a CUDA device; raises what goes wrong."""
        with self._own_device():
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(_WARM_UPS):
                    self._eager()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                tokens = self._eager()
        self._recorded = _Recorded(graph, tokens, self._places())

    def _own_device(self) -> AbstractContextManager[None]:
        """Triton and graphs use the thread's current GPU, wherever the tensors lie; nothing on a CPU."""
        return torch.cuda.device_of(self._inputs.inputs.token_ids)  # type: ignore[no-untyped-call]

    def _tokens(self) -> Tensor:
        """Replays, unless weights were parked and lie elsewhere: a graph reads addresses. Then the same, eagerly."""
        if self._recorded is None or self._recorded.places != self._places():
            return self._eager()
        self._recorded.graph.replay()
        return self._recorded.tokens

    def _places(self) -> Sequence[int]:
        return [weight.data_ptr() for weight in self._weights]

    def _eager(self) -> Tensor:
        """Returns the next token of each row, shape (rows,). Reads only the input buffer and the KV memory, so that a
        captured graph can replay it.
        """
        fed = self._inputs.inputs
        logits = self._decoder.decode(fed.token_ids, fed.starts, fed.lengths)
        noise = self._noise.variates(fed.seeds.unsqueeze(1), fed.steps.unsqueeze(1))
        temperature, top_p = (setting.float().unsqueeze(1) for setting in (fed.temperature, fed.top_p))
        return sample(logits[:, self._codes], noise[:, self._codes], temperature, top_p, self._choose)


def start_fixed_step(model: ArModel, memory: KvMemory, num_rows: int) -> FixedStep:
    """Captured where the machine can; else eager, with torch's attention row by row, and one line that says why."""
    try:
        step = FixedStep(model, memory, _split_attention(model, memory, num_rows), num_rows)
        step.capture()
    except Exception as error:  # noqa: BLE001 - drivers, compilers and libraries fail in their own ways
        log.warning("ar.graph_unavailable", reason=f"{type(error).__name__}: {error}")
        return FixedStep(model, memory, RowAttention(memory), num_rows)
    return step


def _split_attention(model: ArModel, memory: KvMemory, num_rows: int) -> Attention:
    from workers.ar.model.split_attention import SplitAttention  # noqa: PLC0415 - needs Triton, which a CPU worker lacks

    return SplitAttention(memory, num_rows, model.network.config.text_config.num_attention_heads)
