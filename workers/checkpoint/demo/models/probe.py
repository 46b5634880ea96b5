"""Adds probes to a transformer: outputs of inner blocks that predict the row, the column or the letter of a token.

Their losses teach the blocks these facts. Only training uses probes; no checkpoint has them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor, nn

UNKNOWN = -100  # the label of a token without a known answer; cross entropy ignores it


class Probe(nn.Module):
    """Predicts labels of tokens from the output of a block, with one linear layer for each kind of label, e.g. the row.

    Rotary position embeddings encode only distances. To draw an edge or a letter at its place, a model must first learn
    absolute rows and columns. The loss of the probe is added to the training loss, so it teaches them to the model
    within a few hundred steps. Without a probe, a DiT had not begun to learn them after 3,600 steps.
    """

    def __init__(self, width: int, num_labels: Sequence[int]) -> None:
        super().__init__()
        self.guesses = nn.ModuleList([nn.Linear(width, num) for num in num_labels])

    def loss(self, states: Tensor, labels: Tensor) -> Tensor:
        """Returns the sum of the cross entropies of all kinds of labels, for example row and column.

        `states` has shape (tokens, width). `labels` has shape (tokens, kinds) and may hold `UNKNOWN`.
        """
        normal = F.layer_norm(states.float(), states.shape[-1:])
        pairs = zip(self.guesses, labels.T, strict=True)
        return torch.stack([_cross_entropy(guess(normal), kind) for guess, kind in pairs]).sum()


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns the mean cross entropy of the tokens whose label is known, or 0 if no label is known."""
    return F.cross_entropy(logits, labels, reduction="sum") / max(1, int((labels != UNKNOWN).sum()))


@contextmanager
def outputs_of(*blocks: nn.Module) -> Iterator[list[Tensor]]:
    """In the body of the `with` statement, collects the outputs of the given blocks, in the order in which the blocks
    are called.

    When a block returns several tensors, only the first one is collected.
    """
    found: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: Tensor | tuple[Tensor, ...]) -> None:
        found.append(output if isinstance(output, Tensor) else output[0])

    handles = [block.register_forward_hook(keep) for block in blocks]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
