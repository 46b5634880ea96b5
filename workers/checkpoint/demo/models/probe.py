"""Teaches inner states of a transformer what they must know. Part of training alone: no checkpoint has it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor, nn

UNKNOWN = -100  # a label that is not asked for


class Probe(nn.Module):
    """Guesses labels of tokens from the output of a block, by one linear layer for each kind of label.

    RoPE tells distances only. To draw an edge or a letter in its place, a model must find absolute rows and columns
    first. Asked for them it does so within some hundred steps; unasked, a DiT had not begun to after 3,600.
    """

    def __init__(self, width: int, num_labels: Sequence[int]) -> None:
        super().__init__()
        self.guesses = nn.ModuleList([nn.Linear(width, num) for num in num_labels])

    def loss(self, states: Tensor, labels: Tensor) -> Tensor:
        """The sum of all cross entropies. `states`: (tokens, width); `labels`: (tokens, kinds), some `UNKNOWN`."""
        normal = F.layer_norm(states.float(), states.shape[-1:])
        pairs = zip(self.guesses, labels.T, strict=True)
        return torch.stack([_cross_entropy(guess(normal), kind) for guess, kind in pairs]).sum()


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean over known labels; 0 where there are none."""
    return F.cross_entropy(logits, labels, reduction="sum") / max(1, int((labels != UNKNOWN).sum()))


@contextmanager
def outputs_of(*blocks: nn.Module) -> Iterator[list[Tensor]]:
    """Collects what the blocks return within, the first tensor of each, in the order of their calls."""
    found: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: Tensor | tuple[Tensor, ...]) -> None:
        found.append(output if isinstance(output, Tensor) else output[0])

    handles = [block.register_forward_hook(keep) for block in blocks]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
