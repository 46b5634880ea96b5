"""Logits and noise become tokens, for all rows at once. The rows' settings may differ."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor

from shared.ids import RenderId
from workers.ar.model.loading import Sampling
from workers.ar.noise import Noise
from workers.ar.sequence import ArSequence

Choose = Callable[[Tensor, Tensor, Tensor], Tensor]  # probabilities, noise, top_p -> codes (rows,)

NOT_A_NUMBER = -1  # what a row with NaN or infinite logits gets instead of a token

_MAX_ROUNDS = 16  # of the race; a row that no round settles (a very small top_p) is sorted instead


def sample(logits: Tensor, noise: Tensor, temperature: Tensor, top_p: Tensor, choose: Choose) -> Tensor:
    """One code per row, or `NOT_A_NUMBER`: (rows,), without a word to the host unless `choose` has one.

    `logits` and `noise` are (rows, codes of the codebook), the settings (rows, 1).
    """
    codes = logits.float()
    is_number = codes.sum(dim=-1).isfinite()  # any NaN or infinity is in the sum
    chosen = choose(torch.softmax(codes / temperature, dim=-1), noise, top_p)
    return chosen.masked_fill(~is_number, NOT_A_NUMBER)


def settings_of(sequence: ArSequence, defaults: Sampling) -> tuple[float, float]:
    """Temperature and top-p: the request's own or the checkpoint's."""
    asked = sequence.claim.settings
    temperature = defaults.temperature if asked.temperature is None else asked.temperature
    return temperature, defaults.top_p if asked.top_p is None else asked.top_p


class Sampler:
    """Temperature, top-k and top-p in the order of transformers' processors, then one draw a row. The CPU's way.

    Only codes of the checkpoint's codebook can be chosen: every sampled position lies inside a grid.
    """

    def __init__(self, defaults: Sampling, noise: Noise) -> None:
        self._defaults = defaults
        self._noise = noise

    def pick(self, logits: Tensor, sequences: Sequence[ArSequence]) -> list[int]:
        """`logits` are (rows, vision vocabulary). One code per row, or `NOT_A_NUMBER`."""
        settings = torch.tensor([settings_of(sequence, self._defaults) for sequence in sequences])
        temperature, top_p = torch.split(settings, 1, dim=1)
        codes = slice(self._defaults.num_codes)
        noise = self._noise.draw(sequences)[:, codes]
        return sample(logits[:, codes], noise, temperature, top_p, self._choose).tolist()

    def forget(self, render_id: RenderId) -> None:
        self._noise.forget(render_id)

    def _choose(self, probs: Tensor, noise: Tensor, top_p: Tensor) -> Tensor:
        """argmax(p / q) over the kept codes. A code is kept while the likelier ones hold less than `top_p`.

        On a CPU a sort costs more than the rest of the sampling.
        """
        if self._defaults.top_k >= self._defaults.num_codes:
            # Row by row to the end: a sum that is rounded otherwise must not come from a neighbour that needs a sort.
            rows = zip(torch.split(probs, 1), torch.split(noise, 1), torch.split(top_p, 1), strict=True)
            return torch.cat([self._choose_one(*row) for row in rows])
        return pick_sorted(probs, noise, top_p, self._defaults.top_k)

    def _choose_one(self, probs: Tensor, noise: Tensor, top_p: Tensor) -> Tensor:
        code = _race(probs[0], noise[0], float(top_p))
        return pick_sorted(probs, noise, top_p, self._defaults.top_k) if code is None else torch.tensor([code])


def _race(probs: Tensor, noise: Tensor, top_p: float) -> int | None:
    """One row's code, or None when no round settled it.

    The winner among all codes wins among the kept ones too, if it is one of them; else the next best is asked. Winners
    are drawn with probability p, so a round settles at least a share of `top_p`, without any sorting.
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
    """The same by sorting the `top_k` likeliest codes; `top_p` counts within those.

    On a GPU a sort is cheap, and asking how a round of the race went is not.
    """
    likeliest, codes = probs.topk(min(top_k, probs.shape[-1]), dim=-1)
    likeliest = likeliest / likeliest.sum(-1, keepdim=True)
    is_kept = likeliest.cumsum(-1) - likeliest < top_p
    is_kept[:, 0] = True
    scores = (likeliest / noise.gather(-1, codes)).masked_fill(~is_kept, -1.0)
    return codes.gather(-1, scores.argmax(-1, keepdim=True)).squeeze(-1)
