"""Samples the tokens of a step of fixed rows in torch, with random numbers that are a hash of the step's inputs.

`workers/ar/kernels/fused_sampling.py` computes the same in one Triton kernel.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from workers.ar.model.loading import Sampling
from workers.ar.model.step_inputs import Inputs
from workers.ar.noise import CounterNoise
from workers.ar.sampler import pick_sorted, sample

# (logits (rows, vision vocabulary), inputs of the step) -> tokens (rows,) int64, `NOT_A_NUMBER` for a row without one.
SampleRows = Callable[[Tensor, Inputs], Tensor]


class TorchSampling:
    """Samples one token for each row with torch, by sorting the probabilities. It never waits for the host."""

    def __init__(self, sampling: Sampling, vocabulary_size: int, device: torch.device) -> None:
        self._noise = CounterNoise(vocabulary_size, device)
        self._choose = partial(pick_sorted, top_k=sampling.top_k)
        self._codes = slice(sampling.num_codes)

    def __call__(self, logits: Tensor, inputs: Inputs) -> Tensor:
        noise = self._noise.variates(inputs.seeds.unsqueeze(1), inputs.steps.unsqueeze(1))
        temperature, top_p = (setting.float().unsqueeze(1) for setting in (inputs.temperature, inputs.top_p))
        return sample(logits[:, self._codes], noise[:, self._codes], temperature, top_p, self._choose)
