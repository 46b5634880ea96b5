"""The decode loop of a GPU, run eagerly on a CPU: all but the recording of the graph and the compiled kernels."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
import structlog
import torch

from shared.errors import Misconfigured
from tests.workers.ar.claims import a_claim, an_engine, finish
from workers.ar.engine import ArEngine
from workers.ar.model import decode_loop
from workers.ar.model.decode_loop import DecodeLoop, start_decoding
from workers.ar.model.decoder import Decoder
from workers.ar.model.loading import ArModel
from workers.ar.model.runner import ArRunner, allocate_kv_memory
from workers.ar.model.step_graph import StepGraph
from workers.ar.model.step_inputs import Inputs
from workers.ar.model.step_kernels import torch_kernels
from workers.ar.sampler import NOT_A_NUMBER
from workers.device.parked_weights import ParkedWeights

ROWS = 4
KV_TOKENS = 20_000
# Edits take a fifth of the decode steps of other renders.
EDITS = [
    a_claim("d", (256, 256), seed=4, images=("mug",)),
    a_claim("e", (256, 320), seed=5, images=("mug",), temperature=1.3, top_p=0.95),
    a_claim("f", (256, 256), seed=6, images=("mug",), job="f", prompt="a 'big' wave"),
]


@pytest.fixture
def fixed(ar_model: ArModel) -> ArEngine:
    return a_fixed_engine(ar_model)


def a_fixed_engine(model: ArModel) -> ArEngine:
    """Returns an engine whose steps always compute `ROWS` rows, as on a GPU."""
    engine = an_engine(model, max_sequences=ROWS)
    memory = engine._runner.memory
    kernels = torch_kernels(model, memory)
    decoder = Decoder(model.network, memory, kernels.attention, kernels.ops)
    engine._decode = DecodeLoop(model, memory, decoder, kernels, ROWS, is_fixed=True)
    return engine


def test_fixed_rows_give_the_tokens_of_a_cpus_step(ar_model: ArModel, fixed: ArEngine) -> None:
    assert finish(fixed, EDITS) == finish(an_engine(ar_model), EDITS)


def test_what_idle_rows_and_neighbours_hold_changes_no_token(ar_model: ArModel, fixed: ArEngine) -> None:
    alone = finish(fixed, EDITS[:1])
    fixed._runner.memory.entries[:, fixed._runner.memory.scratch] = float("nan")
    assert finish(fixed, EDITS)["d"] == alone["d"]


@pytest.mark.parametrize("num_steps", [1, 3])
def test_a_row_without_numbers_is_told_and_spoils_no_other(fixed: ArEngine, num_steps: int) -> None:
    for claim in EDITS[:2]:
        fixed.admit(claim)
    while not fixed.progress()[EDITS[1].render_id].done:
        fixed.step()
    first, second = (fixed._work[claim.render_id].sequence for claim in EDITS[:2])
    whole = fixed._decode.run([first, second], num_steps)
    assert second.extent
    fixed._runner.memory.entries[:, second.extent.start] = float("nan")
    assert fixed._decode.run([first, second], num_steps) == [whole[0], [NOT_A_NUMBER] * num_steps]


def test_a_render_whose_logits_are_no_numbers_in_the_middle_of_a_visit_fails_at_that_step(
    ar_model: ArModel, fixed: ArEngine
) -> None:
    sample = fixed._decode._kernels.sample

    def without_a_number(logits: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        is_struck = (inputs.seeds == EDITS[0].seed) & (inputs.steps == 13)
        return sample(logits, inputs).masked_fill(is_struck, NOT_A_NUMBER)

    object.__setattr__(fixed._decode._kernels, "sample", without_a_number)
    ends = finish(fixed, EDITS[:2])
    assert getattr(ends["d"], "reason", None) == "nan_logits"
    assert "decode step 14 " in str(ends["d"])
    assert ends["e"] == finish(an_engine(ar_model), EDITS[1:2])["e"]


def test_a_machine_that_cannot_record_a_step_runs_it_and_says_why(
    ar_model: ArModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks_like_a_gpu(ar_model, monkeypatch)
    with structlog.testing.capture_logs() as logs:
        loop = start_decoding(ar_model, KV_TOKENS, ROWS, may_be_eager=True)[1]
    assert [log["event"] for log in logs] == ["ar.graph_unavailable"]
    assert logs[0]["reason"]
    assert loop.facts == {"step": "eager", "attention": "torch", "rows": str(ROWS)}


def test_a_machine_that_cannot_record_a_step_refuses_to_decode_slowly_unless_told(
    ar_model: ArModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks_like_a_gpu(ar_model, monkeypatch)
    with pytest.raises(Misconfigured, match="GRIDPRESS_AR_EAGER"):
        start_decoding(ar_model, KV_TOKENS, ROWS)


def test_a_device_that_is_lost_while_a_step_is_recorded_is_no_setting_to_change(
    ar_model: ArModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(_: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    looks_like_a_gpu(ar_model, monkeypatch)
    monkeypatch.setattr(DecodeLoop, "record", lose)
    monkeypatch.setattr(decode_loop, "triton_kernels", lambda model, memory, _rows: torch_kernels(model, memory))
    for may_be_eager in (True, False):
        with pytest.raises(torch.AcceleratorError):
            start_decoding(ar_model, KV_TOKENS, ROWS, may_be_eager=may_be_eager)


def looks_like_a_gpu(model: ArModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes `start_decoding` take the way of a GPU, on tensors of the CPU."""
    memory = allocate_kv_memory(model, KV_TOKENS)
    monkeypatch.setattr(decode_loop, "allocate_kv_memory", lambda *_: memory)
    monkeypatch.setattr(decode_loop, "_is_cpu", lambda _: False)


class FakeGraph:
    """Stands for a CUDA graph. Its replay computes the step again."""

    num_recorded = 0

    def __init__(self, loop: DecodeLoop) -> None:
        self._loop = loop
        FakeGraph.num_recorded += 1

    def replay(self) -> None:
        self._loop.compute()


@contextmanager
def recording(loop: DecodeLoop) -> Iterator[None]:
    """Undoes what a step changes, because nothing is computed while a GPU records a graph."""
    buffers = (loop._inputs._device, loop._inputs._sampled)
    before = [buffer.clone() for buffer in buffers]
    yield
    for buffer, old in zip(buffers, before, strict=True):
        buffer.copy_(old)


class FakeStream:
    def wait_stream(self, _: object) -> None:
        """Nothing runs beside the host."""


def test_a_graph_whose_weights_have_moved_is_recorded_again_and_never_left_unused(
    fixed: ArEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a shared GPU, weights come back to other addresses in each turn. Elsewhere nobody looks at them in a step."""
    loop, addresses, asked = fixed._decode, [1, 2], list[int]()
    expected = finish(fixed, EDITS[:2])
    monkeypatch.setattr(FakeGraph, "num_recorded", 0)
    for name, fake in (
        ("CUDAGraph", lambda: FakeGraph(loop)),
        ("graph", lambda _: recording(loop)),
        ("stream", lambda _: nullcontext()),
        ("Stream", FakeStream),
        ("current_stream", FakeStream),
    ):
        monkeypatch.setattr(torch.cuda, name, fake)
    monkeypatch.setattr(StepGraph, "_weight_addresses", lambda _: asked.append(1) or list(addresses))
    loop.record()
    assert finish(fixed, EDITS[:2]) == expected
    assert (FakeGraph.num_recorded, len(asked)) == (1, 1)
    parked = ParkedWeights([torch.nn.Linear(1, 1)], torch.device("cpu"))
    parked.unpark()
    assert finish(fixed, EDITS[:2]) == expected
    assert (FakeGraph.num_recorded, len(asked)) == (1, 2)
    parked.unpark()
    addresses[1] = 3
    assert finish(fixed, EDITS[:2]) == expected
    assert FakeGraph.num_recorded == 2
    assert loop.facts["step"] == "graph"


def test_prefills_and_decode_steps_compute_with_the_same_operations(ar_model: ArModel) -> None:
    runner, loop = start_decoding(ar_model, KV_TOKENS, ROWS)
    assert isinstance(runner, ArRunner)
    assert runner._decoder is loop._decoder
