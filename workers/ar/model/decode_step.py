"""Samples the next token of every sequence in a decode step. CPUs and GPUs have different implementations."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.ids import RenderId
from workers.ar.model.fixed_step import start_fixed_step
from workers.ar.model.loading import ArModel
from workers.ar.model.runner import ArRunner
from workers.ar.noise import GeneratorNoise
from workers.ar.sampler import Sampler
from workers.ar.sequence import ArSequence


class DecodeStep(Protocol):
    """Runs decode steps: `run` returns one token for each prefilled sequence, in the order of the sequences.

    The token is `NOT_A_NUMBER` for a sequence whose logits are NaN or infinite. `forget` frees everything that is
    stored for a render between steps. `facts` says how the steps are computed, for manifests.
    """

    @property
    def facts(self) -> Mapping[str, str]: ...

    def run(self, sequences: Sequence[ArSequence]) -> Sequence[int]: ...

    def forget(self, render_id: RenderId) -> None: ...


class HostStep:
    """Runs decode steps on a CPU. A step computes one row for each sequence.

    It uses torch's own random generators, so that a seed gives the same tokens as the reference pipeline.
    """

    def __init__(self, runner: ArRunner, sampler: Sampler) -> None:
        self._runner = runner
        self._sampler = sampler

    @property
    def facts(self) -> Mapping[str, str]:
        return {"step": "eager", "attention": "torch"}

    def run(self, sequences: Sequence[ArSequence]) -> Sequence[int]:
        return self._sampler.pick(self._runner.decode(sequences), sequences)

    def forget(self, render_id: RenderId) -> None:
        self._sampler.forget(render_id)


def make_decode_step(model: ArModel, runner: ArRunner, num_rows: int, *, may_be_eager: bool) -> DecodeStep:
    """Returns the implementation of the decode step for the model's device.

    `num_rows` is the largest number of sequences that are decoded together. A GPU computes `num_rows` rows in every
    step, a CPU only one row for each sequence. Raises `Misconfigured` if a GPU can't record the step as a CUDA graph,
    unless `may_be_eager`.
    """
    if model.device.type != "cpu":
        return start_fixed_step(model, runner.memory, num_rows, may_be_eager=may_be_eager)
    vocabulary_size = model.network.config.text_config.vision_vocab_size
    return HostStep(runner, Sampler(model.sampling, GeneratorNoise(vocabulary_size)))
