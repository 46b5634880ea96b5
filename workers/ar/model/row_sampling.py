"""Samples the tokens of a decode step in torch: temperature, top-k, top-p and random numbers.

`workers/ar/kernels/fused_sampling.py` computes the same in one Triton kernel, without top-k.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from workers.ar.model.loading import Sampling
from workers.ar.model.step_inputs import Inputs
from workers.ar.noise import Noise
from workers.ar.sampler import NOT_A_NUMBER, Choose, keep_likeliest

# (logits (rows, vision vocabulary), inputs of the step) -> tokens (rows,) int64, `NOT_A_NUMBER` for a row without one.
SampleRows = Callable[[Tensor, Inputs], Tensor]


class TorchSampling:
    """Samples one token for each row. It applies temperature, top-k and top-p in the order of transformers' logits
    processors.

    Only codes of the checkpoint's codebook are sampled, because every sampled position lies inside a token grid. The
    random numbers are those of `noise`. `choose` picks the codes from probabilities, noise and top-p.
    """

    def __init__(self, sampling: Sampling, noise: Noise, choose: Choose) -> None:
        self._num_codes = sampling.num_codes
        self._top_k = sampling.top_k if sampling.top_k < sampling.num_codes else None
        self._noise = noise
        self._choose = choose

    def __call__(self, logits: Tensor, inputs: Inputs) -> Tensor:
        temperature, top_p = (setting.float().unsqueeze(1) for setting in (inputs.temperature, inputs.top_p))
        codes = logits[:, : self._num_codes].float()
        is_number = codes.sum(dim=-1).isfinite()  # a NaN or an infinity makes the sum not finite
        probs = torch.softmax(codes / temperature, dim=-1)
        if self._top_k is not None:
            probs = keep_likeliest(probs, self._top_k)
        noise = self._noise.variates(inputs.seeds, inputs.steps)[:, : self._num_codes]
        return self._choose(probs, noise, top_p).masked_fill(~is_number, NOT_A_NUMBER)
