"""The random numbers of torch's own generators, with which the engine samples the tokens of the unchanged reference
pipeline. Workers use `CounterNoise` instead.
"""

from dataclasses import replace

import torch
from torch import Tensor

from tests.workers.ar.claims import an_engine
from workers.ar.engine import ArEngine
from workers.ar.model.loading import ArModel
from workers.ar.model.row_sampling import TorchSampling
from workers.ar.sampler import choose_by_race


class TorchNoise:
    """A `Noise` that continues one generator of torch for each seed from step to step.

    `torch.multinomial` draws one sample as argmax(p / q), where q is exponentially distributed over the whole
    vocabulary (see the fast path for one sample in its source).
    """

    def __init__(self, vocabulary_size: int) -> None:
        self._vocabulary_size = vocabulary_size
        self._generators: dict[tuple[int, int], torch.Generator] = {}  # by seed and next step

    def variates(self, seeds: Tensor, steps: Tensor) -> Tensor:
        return torch.stack([self._draw(*row) for row in zip(seeds.tolist(), steps.tolist(), strict=True)])

    def _draw(self, seed: int, step: int) -> Tensor:
        generator = self._generators.pop((seed, step), None) if step else torch.Generator().manual_seed(seed)
        assert generator, "two rows have the same seed"
        self._generators[seed, step + 1] = generator
        return torch.empty(self._vocabulary_size).exponential_(generator=generator)


def an_engine_with_torch_noise(model: ArModel) -> ArEngine:
    engine = an_engine(model)
    noise = TorchNoise(model.network.config.text_config.vision_vocab_size)
    sample = TorchSampling(model.sampling, noise, choose_by_race)
    engine._decode._kernels = replace(engine._decode._kernels, sample=sample)
    return engine
