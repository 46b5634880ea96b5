"""Samples tokens from logits and random numbers, for all rows at once. Each row may have its own
temperature and top-p.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor

from shared.ids import RenderId
from workers.ar.model.loading import Sampling
from workers.ar.noise import Noise
from workers.ar.sequence import ArSequence

Choose = Callable[[Tensor, Tensor, Tensor], Tensor]  # (probabilities, noise, top_p) -> codes (rows,)

NOT_A_NUMBER = -1  # the result of a row with NaN or infinite logits, instead of a token

_MAX_ROUNDS = 16  # of `_race`; a row without a winner after these rounds (a very small top_p) is sorted instead


def sample(logits: Tensor, noise: Tensor, temperature: Tensor, top_p: Tensor, choose: Choose) -> Tensor:
    """Samples one code for each row and returns the codes (rows,). A row whose logits are NaN or infinite gets
    `NOT_A_NUMBER`.

    `logits` and the random numbers `noise` are (rows, codes of the codebook), `temperature` and `top_p` are (rows, 1).
    `choose` is a function that picks the codes from probabilities, noise and top-p. Only `choose` may wait on the host
    for results of the GPU.
    """
    codes = logits.float()
    is_number = codes.sum(dim=-1).isfinite()  # a NaN or an infinity makes the sum not finite
    chosen = choose(torch.softmax(codes / temperature, dim=-1), noise, top_p)
    return chosen.masked_fill(~is_number, NOT_A_NUMBER)


def settings_of(sequence: ArSequence, defaults: Sampling) -> tuple[float, float]:
    """Returns the temperature and the top-p of a sequence. If the request does not set one of them, it is taken from
    `defaults`, the checkpoint's own settings.
    """
    asked = sequence.claim.settings
    temperature = defaults.temperature if asked.temperature is None else asked.temperature
    return temperature, defaults.top_p if asked.top_p is None else asked.top_p


class Sampler:
    """Samples tokens on a CPU. It applies temperature, top-k and top-p in the order of transformers' logits processors,
    then draws one code for each row.

    Only codes of the checkpoint's codebook are sampled, because every sampled position lies inside a token grid.
    """

    def __init__(self, defaults: Sampling, noise: Noise) -> None:
        self._defaults = defaults
        self._noise = noise

    def pick(self, logits: Tensor, sequences: Sequence[ArSequence]) -> list[int]:
        """Samples one code for each row. A row whose logits are NaN or infinite gets `NOT_A_NUMBER`. `logits` are
        (rows, vision vocabulary).
        """
        settings = torch.tensor([settings_of(sequence, self._defaults) for sequence in sequences])
        temperature, top_p = torch.split(settings, 1, dim=1)
        codes = slice(self._defaults.num_codes)
        noise = self._noise.draw(sequences)[:, codes]
        return sample(logits[:, codes], noise, temperature, top_p, self._choose).tolist()

    def forget(self, render_id: RenderId) -> None:
        self._noise.forget(render_id)

    def _choose(self, probs: Tensor, noise: Tensor, top_p: Tensor) -> Tensor:
        """Returns the sampled code of each row: the one with the highest probability divided by its random number,
        within the top-p set.

        A code is in the top-p set if the likelier codes together have a probability below `top_p`. Without a top-k
        limit the rows are not sorted first, because on a CPU a sort costs more than the rest of the sampling.
        """
        if self._defaults.top_k >= self._defaults.num_codes:
            # Each row is computed alone: if one row needs a sort, the sums of the other rows must round as before.
            rows = zip(torch.split(probs, 1), torch.split(noise, 1), torch.split(top_p, 1), strict=True)
            return torch.cat([self._choose_one(*row) for row in rows])
        return pick_sorted(probs, noise, top_p, self._defaults.top_k)

    def _choose_one(self, probs: Tensor, noise: Tensor, top_p: Tensor) -> Tensor:
        code = _race(probs[0], noise[0], float(top_p))
        return pick_sorted(probs, noise, top_p, self._defaults.top_k) if code is None else torch.tensor([code])


def _race(probs: Tensor, noise: Tensor, top_p: float) -> int | None:
    """Returns the sampled code of one row without sorting, or None if 16 rounds find no code.

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


def pick_sorted(probs: Tensor, noise: Tensor, top_p: Tensor, top_k: int) -> Tensor:
    """Returns the sampled code of each row, by sorting the `top_k` likeliest codes. `top_p` applies within these codes.
    The result is the same as that of `_race`, which tries code after code without sorting.

    It never waits for the host. On a GPU `_race` would wait for the result of each round, which is slow.
    """
    likeliest, codes = probs.topk(min(top_k, probs.shape[-1]), dim=-1)
    likeliest = likeliest / likeliest.sum(-1, keepdim=True)
    is_kept = likeliest.cumsum(-1) - likeliest < top_p
    is_kept[:, 0] = True
    scores = (likeliest / noise.gather(-1, codes)).masked_fill(~is_kept, -1.0)
    return codes.gather(-1, scores.argmax(-1, keepdim=True)).squeeze(-1)
