"""A GPU's decode step, run eagerly on a CPU: all but the recording of the graph and the compiled kernels."""

from collections.abc import Sequence
from contextlib import nullcontext

import pytest
import structlog
import torch
from torch import Tensor

from shared.errors import Misconfigured
from shared.ids import RenderId
from tests.workers.ar.claims import a_claim, an_engine, finish
from workers.ar.engine import ArEngine
from workers.ar.model import fixed_step
from workers.ar.model.decode_step import HostStep
from workers.ar.model.fixed_step import FixedStep, start_fixed_step
from workers.ar.model.loading import ArModel
from workers.ar.model.step_kernels import torch_kernels
from workers.ar.noise import CounterNoise
from workers.ar.sampler import NOT_A_NUMBER, Sampler
from workers.ar.sequence import ArSequence
from workers.device.parked_weights import ParkedWeights

ROWS = 4
CLAIMS = [
    a_claim("a", (256, 256), seed=1),
    a_claim("b", (256, 320), seed=2**53 - 1, temperature=1.3, top_p=0.95),
    a_claim("c", (256, 256), seed=3, job="c", prompt="a 'big' wave"),
]
# These take a fifth of the decode steps of the others.
EDITS = [
    a_claim("d", (256, 256), seed=4, images=("mug",)),
    a_claim("e", (256, 320), seed=5, images=("mug",), temperature=1.3, top_p=0.95),
    a_claim("f", (256, 256), seed=6, images=("mug",), job="f", prompt="a 'big' wave"),
]


class CountedNoise:
    """The step's noise as the host's sampler asks for it."""

    def __init__(self, noise: CounterNoise) -> None:
        self._noise = noise

    def draw(self, sequences: Sequence[ArSequence]) -> Tensor:
        counters = torch.tensor([[sequence.stream_seed, len(sequence.tokens)] for sequence in sequences])
        return self._noise.variates(*counters.split(1, dim=1))

    def forget(self, render_id: RenderId) -> None:
        """Keeps nothing."""


@pytest.fixture
def fixed(ar_model: ArModel) -> ArEngine:
    engine = an_engine(ar_model, max_sequences=ROWS)
    memory = engine._runner.memory
    engine._decode = FixedStep(ar_model, memory, torch_kernels(ar_model, memory), ROWS)
    return engine


def test_the_fixed_step_gives_the_tokens_of_the_hosts_step(ar_model: ArModel, fixed: ArEngine) -> None:
    host = an_engine(ar_model)
    noise = CounterNoise(ar_model.network.config.text_config.vision_vocab_size, torch.device("cpu"))
    host._decode = HostStep(host._runner, Sampler(ar_model.sampling, CountedNoise(noise)))
    assert finish(fixed, CLAIMS) == finish(host, CLAIMS)


def test_what_idle_rows_and_neighbours_hold_changes_no_token(ar_model: ArModel, fixed: ArEngine) -> None:
    alone = finish(fixed, EDITS[:1])
    fixed._runner.memory.entries[:, fixed._runner.memory.scratch] = float("nan")
    assert finish(fixed, EDITS)["d"] == alone["d"]


def test_a_row_without_numbers_is_told_and_spoils_no_other(ar_model: ArModel, fixed: ArEngine) -> None:
    for claim in CLAIMS[:2]:
        fixed.admit(claim)
    while not fixed.progress()["b"].done:
        fixed.step()
    first, second = (fixed._work[claim.render_id].sequence for claim in CLAIMS[:2])
    whole = fixed._decode.run([first, second])
    assert second.extent
    fixed._runner.memory.entries[:, second.extent.start] = float("nan")
    assert fixed._decode.run([first, second]) == [whole[0], NOT_A_NUMBER]


def test_a_machine_that_cannot_record_a_step_runs_it_and_says_why(ar_model: ArModel, fixed: ArEngine) -> None:
    with structlog.testing.capture_logs() as logs:
        fixed._decode = start_fixed_step(ar_model, fixed._runner.memory, ROWS, may_be_eager=True)
    assert [log["event"] for log in logs] == ["ar.graph_unavailable"]
    assert logs[0]["reason"]
    assert fixed.facts == {"step": "eager", "attention": "torch", "rows": str(ROWS)}


class FakeGraph:
    """Stands for a CUDA graph. Its replay computes the step again, into the tensor that was captured."""

    num_captured = 0

    def __init__(self, step: FixedStep) -> None:
        self._step = step
        FakeGraph.num_captured += 1

    def replay(self) -> None:
        assert self._step._recorded
        self._step._recorded.tokens.copy_(self._step._eager())


def test_a_graph_whose_weights_have_moved_is_captured_again_and_never_left_unused(
    ar_model: ArModel, fixed: ArEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a shared GPU, weights come back to other addresses in each turn. Elsewhere nobody looks at them in a step."""
    step, addresses, asked = fixed._decode, [1, 2], list[int]()
    assert isinstance(step, FixedStep)
    expected = finish(fixed, EDITS[:2])
    monkeypatch.setattr(FakeGraph, "num_captured", 0)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: FakeGraph(step))
    monkeypatch.setattr(torch.cuda, "graph", lambda _: nullcontext())
    monkeypatch.setattr(step, "_weight_addresses", lambda: asked.append(1) or list(addresses))
    with torch.inference_mode():
        step._recorded = step._record()
    assert finish(fixed, EDITS[:2]) == expected
    assert (FakeGraph.num_captured, len(asked)) == (1, 1)
    parked = ParkedWeights([torch.nn.Linear(1, 1)], torch.device("cpu"))
    parked.unpark()
    assert finish(fixed, EDITS[:2]) == expected
    assert (FakeGraph.num_captured, len(asked)) == (1, 2)
    parked.unpark()
    addresses[1] = 3
    assert finish(fixed, EDITS[:2]) == expected
    assert FakeGraph.num_captured == 2
    assert fixed.facts["step"] == "graph"


def test_a_machine_that_cannot_record_a_step_refuses_to_decode_slowly_unless_told(
    ar_model: ArModel, fixed: ArEngine
) -> None:
    with pytest.raises(Misconfigured, match="GRIDPRESS_AR_EAGER"):
        start_fixed_step(ar_model, fixed._runner.memory, ROWS, may_be_eager=False)


def test_a_device_that_is_lost_while_a_step_is_recorded_is_no_setting_to_change(
    ar_model: ArModel, fixed: ArEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(_: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(FixedStep, "capture", lose)
    monkeypatch.setattr(fixed_step, "triton_kernels", lambda model, memory, _rows: torch_kernels(model, memory))
    for may_be_eager in (True, False):
        with pytest.raises(torch.AcceleratorError):
            start_fixed_step(ar_model, fixed._runner.memory, ROWS, may_be_eager=may_be_eager)
    assert len(finish(fixed, EDITS)) == len(EDITS)
