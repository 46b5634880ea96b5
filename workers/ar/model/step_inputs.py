"""The state of a decode loop on the device: what the next step reads, and what the last steps sampled.

The host writes this state before the first of some steps. Then the device moves it on from step to step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.ar.model.loading import Sampling
from workers.ar.sequence import ArSequence
from workers.ar.visits import MOST_STEPS

_NUM_INTEGERS, _FIRST_COUNTER = 6, 4


@dataclass(frozen=True, slots=True)
class Inputs:
    """Views of the buffer on the device, with one value for each row. They are what a decode step reads.

    Token ids, starts, seeds, `is_used`, lengths and steps are (rows,) int64. Temperature and top-p are (rows,) float64.
    `is_used` is 1 for a row with a sequence, and 0 for an unused row.
    """

    token_ids: Tensor
    starts: Tensor
    seeds: Tensor
    is_used: Tensor
    lengths: Tensor
    steps: Tensor
    temperature: Tensor
    top_p: Tensor


class StepInputs:
    """The buffers of a decode loop: one for inputs on the host and one on the device, and one for sampled tokens. Their
    addresses never change, as CUDA graphs require.

    A GPU computes all rows in each step (`is_fixed`). A row without a sequence gets token 0 as input. Its keys and
    values are written to the scratch token, a place of the KV memory that no sequence uses. A CPU computes only the
    rows that have a sequence.
    """

    def __init__(
        self, num_rows: int, scratch: int, defaults: Sampling, device: torch.device, *, is_fixed: bool
    ) -> None:
        self._defaults = defaults
        self._unused = ((0, scratch, 0, 0, 1, 0), (1.0, 1.0))
        self._num_rows = num_rows
        self._is_fixed = is_fixed
        # The buffer is int64, and the floats are stored in it bit by bit, so that one copy moves everything.
        self._host = torch.zeros(_NUM_INTEGERS + 2, num_rows, dtype=torch.int64, pin_memory=device.type == "cuda")
        self._device = torch.zeros_like(self._host, device=device)
        self._sampled = torch.zeros(MOST_STEPS, num_rows, dtype=torch.int64, device=device)
        self.write(())

    def write(self, sequences: Sequence[ArSequence]) -> None:
        """Writes what the next step of these sequences reads, and starts its copy to the device.

        The steps before must have ended, because their copy reads the same buffer on the host.
        """
        rows = [self._row(sequence) for sequence in sequences]
        rows += (self._num_rows - len(rows)) * [self._unused]
        integers, settings = zip(*rows, strict=True)
        self._host[:_NUM_INTEGERS] = torch.tensor(integers).T
        self._host[_NUM_INTEGERS:].view(torch.float64).copy_(torch.tensor(settings, dtype=torch.float64).T)
        self._device.copy_(self._host, non_blocking=True)
        self._show(self._num_rows if self._is_fixed else len(sequences))

    def advance(self, tokens: Tensor) -> None:
        """Stores the tokens of a step (rows,) and makes them the inputs of the next step. Moves all rows with a
        sequence on by one token.

        It runs on the device and reads nothing from the host, so that a CUDA graph can replay it.
        """
        inputs = self.inputs
        places = inputs.steps.remainder(MOST_STEPS).unsqueeze(0)
        self._places.scatter_(0, places, tokens.unsqueeze(0))
        torch.clamp(tokens, min=0, out=inputs.token_ids)  # a row without a token goes on with any: the host drops it
        self._counters.add_(inputs.is_used)

    def sampled(self, sequences: Sequence[ArSequence], num_steps: int) -> Sequence[Sequence[int]]:
        """Waits for the device and returns the tokens that each sequence got in the last `num_steps` steps.

        The sequences must be those of `write`, and must not have the new tokens yet.
        """
        assert num_steps <= MOST_STEPS
        places = self._sampled.tolist()
        return [
            [places[step % MOST_STEPS][row] for step in range(len(sequence.tokens), len(sequence.tokens) + num_steps)]
            for row, sequence in enumerate(sequences)
        ]

    def _show(self, num_rows: int) -> None:
        """Sets `inputs` to views of the first `num_rows` rows."""
        shown = self._device[:, :num_rows]
        integers, settings = torch.split(shown, [_NUM_INTEGERS, 2])
        self.inputs = Inputs(*integers, *settings.view(torch.float64))
        self._counters = integers[_FIRST_COUNTER:]
        self._places = self._sampled[:, :num_rows]

    def _row(self, sequence: ArSequence) -> tuple[tuple[int, ...], tuple[float, float]]:
        assert sequence.extent
        length = sequence.next_position + 1  # the step itself writes the last of these tokens
        integers = (sequence.next_input, sequence.extent.start, sequence.stream_seed, 1, length, len(sequence.tokens))
        return integers, settings_of(sequence, self._defaults)


def settings_of(sequence: ArSequence, defaults: Sampling) -> tuple[float, float]:
    """Returns the temperature and the top-p of a sequence. If the request does not set one of them, it is taken from
    `defaults`, the checkpoint's own settings.
    """
    asked = sequence.claim.settings
    temperature = defaults.temperature if asked.temperature is None else asked.temperature
    return temperature, defaults.top_p if asked.top_p is None else asked.top_p
