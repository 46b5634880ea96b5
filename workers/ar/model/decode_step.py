"""One more token for every sequence of a batch, the way the device likes it."""

from collections.abc import Sequence
from typing import Protocol

from shared.ids import RenderId
from workers.ar.model.fixed_step import start_fixed_step
from workers.ar.model.loading import ArModel
from workers.ar.model.runner import ArRunner
from workers.ar.noise import GeneratorNoise
from workers.ar.sampler import Sampler
from workers.ar.sequence import ArSequence


class DecodeStep(Protocol):
    """Tokens of prefilled sequences, in their order; `NOT_A_NUMBER` for a row whose logits were none."""

    def run(self, sequences: Sequence[ArSequence]) -> Sequence[int]: ...

    def forget(self, render_id: RenderId) -> None: ...


class HostStep:
    """A CPU's: as many rows as there are sequences, and torch's own random streams, for the reference's tokens."""

    def __init__(self, runner: ArRunner, sampler: Sampler) -> None:
        self._runner = runner
        self._sampler = sampler

    def run(self, sequences: Sequence[ArSequence]) -> Sequence[int]:
        return self._sampler.pick(self._runner.decode(sequences), sequences)

    def forget(self, render_id: RenderId) -> None:
        self._sampler.forget(render_id)


def make_decode_step(model: ArModel, runner: ArRunner, num_rows: int) -> DecodeStep:
    """`num_rows` is the most sequences there will ever be; a GPU feeds so many rows in every step."""
    if model.device.type != "cpu":
        return start_fixed_step(model, runner.memory, num_rows)
    vocabulary_size = model.network.config.text_config.vision_vocab_size
    return HostStep(runner, Sampler(model.sampling, GeneratorNoise(vocabulary_size)))
