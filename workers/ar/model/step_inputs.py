"""The buffers for the inputs of a decode step on a GPU: one buffer on the host and one on the device.

Each buffer holds all inputs, so a step needs only one copy from the host to the device.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.ar.model.loading import Sampling
from workers.ar.model.runner import seen_tokens
from workers.ar.sampler import settings_of
from workers.ar.sequence import ArSequence

_NUM_INTEGERS = 5


@dataclass(frozen=True, slots=True)
class Inputs:
    """Views of the input buffer on the device, with one value for each row.

    Token ids, starts, lengths, seeds and steps are (rows,) int64. Temperature and top-p are (rows,) float64.
    """

    token_ids: Tensor
    starts: Tensor
    lengths: Tensor
    seeds: Tensor
    steps: Tensor
    temperature: Tensor
    top_p: Tensor


class StepInputs:
    """The input buffers of decode steps. Their addresses never change, as CUDA graphs require.

    A row without a sequence gets token 0 as input. Its keys and values are written to the scratch token, a place of the
    KV memory that no sequence uses.
    """

    def __init__(self, num_rows: int, scratch: int, defaults: Sampling, device: torch.device) -> None:
        self._defaults = defaults
        self._idle = ((0, scratch, 1, 0, 0), (1.0, 1.0))
        self._num_rows = num_rows
        # The buffer is int64, and the floats are stored in it bit by bit, so that one copy moves everything.
        self._host = torch.zeros(_NUM_INTEGERS + 2, num_rows, dtype=torch.int64, pin_memory=device.type == "cuda")
        self._device = torch.zeros_like(self._host, device=device)
        integers, settings = torch.split(self._device, [_NUM_INTEGERS, 2])
        self.inputs = Inputs(*integers, *settings.view(torch.float64))
        self.write(())

    def write(self, sequences: Sequence[ArSequence]) -> None:
        """Writes the inputs of the next step and starts their copy to the device.

        The previous step must have ended, because its copy reads the same buffer on the host.
        """
        rows = [self._row(sequence) for sequence in sequences]
        rows += (self._num_rows - len(rows)) * [self._idle]
        integers, settings = zip(*rows, strict=True)
        self._host[:_NUM_INTEGERS] = torch.tensor(integers).T
        self._host[_NUM_INTEGERS:].view(torch.float64).copy_(torch.tensor(settings, dtype=torch.float64).T)
        self._device.copy_(self._host, non_blocking=True)

    def _row(self, sequence: ArSequence) -> tuple[tuple[int, ...], tuple[float, float]]:
        integers = (sequence.next_input, *seen_tokens(sequence), sequence.stream_seed, len(sequence.tokens))
        return integers, settings_of(sequence, self._defaults)
