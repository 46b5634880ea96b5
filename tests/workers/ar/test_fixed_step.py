"""A GPU's decode step, run eagerly on a CPU: all but the recording of the graph and the compiled kernels."""

from collections.abc import Sequence

import pytest
import structlog
import torch
from torch import Tensor

from shared.ids import RenderId
from tests.workers.ar.claims import a_claim, an_engine, finish
from workers.ar.engine import ArEngine
from workers.ar.model.attention import RowAttention
from workers.ar.model.decode_step import HostStep
from workers.ar.model.fixed_step import FixedStep, start_fixed_step
from workers.ar.model.loading import ArModel
from workers.ar.noise import CounterNoise
from workers.ar.sampler import NOT_A_NUMBER, Sampler
from workers.ar.sequence import ArSequence

ROWS = 4
CLAIMS = [
    a_claim("a", (256, 256), seed=1),
    a_claim("b", (256, 320), seed=2**53 - 1, temperature=1.3, top_p=0.95),
    a_claim("c", (256, 256), seed=3, job="c", prompt="a 'big' wave"),
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
    engine._decode = FixedStep(ar_model, memory, RowAttention(memory), ROWS)
    return engine


def test_the_fixed_step_gives_the_tokens_of_the_hosts_step(ar_model: ArModel, fixed: ArEngine) -> None:
    host = an_engine(ar_model)
    noise = CounterNoise(ar_model.network.config.text_config.vision_vocab_size, torch.device("cpu"))
    host._decode = HostStep(host._runner, Sampler(ar_model.sampling, CountedNoise(noise)))
    assert finish(fixed, CLAIMS) == finish(host, CLAIMS)


def test_what_idle_rows_and_neighbours_hold_changes_no_token(ar_model: ArModel, fixed: ArEngine) -> None:
    alone = finish(fixed, CLAIMS[:1])
    fixed._runner.memory.entries[:, fixed._runner.memory.scratch] = float("nan")
    assert finish(fixed, CLAIMS)["a"] == alone["a"]


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
        fixed._decode = start_fixed_step(ar_model, fixed._runner.memory, ROWS)
    assert [log["event"] for log in logs] == ["ar.graph_unavailable"]
    assert logs[0]["reason"]
    assert len(finish(fixed, CLAIMS)) == len(CLAIMS)
