"""Chooses codes from probabilities and random numbers. Each row may have its own top-p.

A code is in the top-p set of its row if the likelier codes together have a probability below top-p. So equally likely
codes are in the set together, or none of them is.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor

Choose = Callable[[Tensor, Tensor, Tensor], Tensor]  # (probabilities, noise, top_p) -> codes (rows,)

NOT_A_NUMBER = -1  # the result of a row with NaN or infinite logits, instead of a token

_MAX_ROUNDS = 16  # of a race; for a row without a winner after these rounds (a very small top_p) the set is computed
_HALVINGS = 31  # a float that is not negative has 31 bits beside its sign


def choose_kept(probs: Tensor, noise: Tensor, top_p: Tensor) -> Tensor:
    """Returns the sampled code of each row (rows,): the one with the highest probability divided by its random number,
    within the top-p set.

    `probs` and `noise` are float32 (rows, codes), `top_p` is (rows, 1). It never waits for the host, and needs no sort.
    """
    is_kept = probs >= lowest_kept(probs, top_p)
    return (probs / noise).masked_fill_(~is_kept, -1.0).argmax(-1)


def choose_by_race(probs: Tensor, noise: Tensor, top_p: Tensor) -> Tensor:
    """Returns the same codes as `choose_kept`, row by row. On a CPU this is several times faster.

    On a GPU it would wait for the result of each round, which is slow. Each row is computed alone, so that its sums
    round as without the other rows.
    """
    rows = zip(torch.split(probs, 1), torch.split(noise, 1), torch.split(top_p, 1), strict=True)
    return torch.cat([_choose_one(*row) for row in rows])


def lowest_kept(probs: Tensor, top_p: Tensor) -> Tensor:
    """Returns for each row the lowest number for which all higher probabilities together are below `top_p`. The codes
    of the top-p set are those with at least this probability.

    `probs` is float32 (rows, codes), `top_p` and the result are (rows, 1). The number is found by bisection: floats
    that are not negative have the order of their bits, so 31 halvings of the range of bits find the number itself. The
    highest probability is always kept.
    """
    bits = probs.view(torch.int32)
    kept = bits.amax(-1, keepdim=True)
    too_low = torch.full_like(kept, -1)
    for _ in range(_HALVINGS):
        middle = too_low + (kept - too_low) // 2
        is_kept = probs.masked_fill(bits <= middle, 0.0).sum(-1, keepdim=True) < top_p
        too_low, kept = torch.where(is_kept, too_low, middle), torch.where(is_kept, middle, kept)
    return kept.clamp_(min=0).view(torch.float32)


def keep_likeliest(probs: Tensor, top_k: int) -> Tensor:
    """Returns the probabilities (rows, codes) without those below the `top_k`-th highest of their row. The others are
    scaled, so that their sum is 1 again.
    """
    lowest = probs.topk(top_k, dim=-1).values[:, -1:]
    kept = probs.masked_fill(probs < lowest, 0.0)
    return kept / kept.sum(-1, keepdim=True)


def _choose_one(probs: Tensor, noise: Tensor, top_p: Tensor) -> Tensor:
    code = _race(probs[0], noise[0], float(top_p))
    return choose_kept(probs, noise, top_p) if code is None else torch.tensor([code])


def _race(probs: Tensor, noise: Tensor, top_p: float) -> int | None:
    """Returns the sampled code of one row, or None if 16 rounds find no code.

    Each round takes the code with the highest probability divided by its random number, among the codes that were not
    tried yet. It returns that code if the code is in the top-p set. The first such code is a random draw with the given
    probabilities. So a round succeeds with a probability of at least `top_p`.
    """
    scores = probs / noise
    for _ in range(_MAX_ROUNDS):
        winner = int(scores.argmax())
        held_by_likelier = F.threshold(probs, float(probs[winner]), 0.0).sum()
        if float(held_by_likelier) < top_p:
            return winner
        scores[winner] = -1.0
    return None
