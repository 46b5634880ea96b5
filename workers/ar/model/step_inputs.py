"""What a step feeds, a column for each row: one buffer on the host, one on the device, one copy between them."""

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
    """Views of the device's buffer. Integers are (rows,) int64, settings (rows,) float64."""

    token_ids: Tensor
    starts: Tensor
    lengths: Tensor
    seeds: Tensor
    steps: Tensor
    temperature: Tensor
    top_p: Tensor


class StepInputs:
    """Buffers that never move. Rows without a sequence feed token 0 to the memory's `scratch` token."""

    def __init__(self, num_rows: int, scratch: int, defaults: Sampling, device: torch.device) -> None:
        self._defaults = defaults
        self._idle = ((0, scratch, 1, 0, 0), (1.0, 1.0))
        self._num_rows = num_rows
        # The floats travel as the bits of int64, so that one copy moves all.
        self._host = torch.zeros(_NUM_INTEGERS + 2, num_rows, dtype=torch.int64, pin_memory=device.type == "cuda")
        self._device = torch.zeros_like(self._host, device=device)
        integers, settings = torch.split(self._device, [_NUM_INTEGERS, 2])
        self.inputs = Inputs(*integers, *settings.view(torch.float64))
        self.write(())

    def write(self, sequences: Sequence[ArSequence]) -> None:
        """The next step's inputs. The step before must have ended: its copy reads the same host buffer."""
        rows = [self._row(sequence) for sequence in sequences]
        rows += (self._num_rows - len(rows)) * [self._idle]
        integers, settings = zip(*rows, strict=True)
        self._host[:_NUM_INTEGERS] = torch.tensor(integers).T
        self._host[_NUM_INTEGERS:].view(torch.float64).copy_(torch.tensor(settings, dtype=torch.float64).T)
        self._device.copy_(self._host, non_blocking=True)

    def _row(self, sequence: ArSequence) -> tuple[tuple[int, ...], tuple[float, float]]:
        integers = (sequence.next_input, *seen_tokens(sequence), sequence.stream_seed, len(sequence.tokens))
        return integers, settings_of(sequence, self._defaults)
