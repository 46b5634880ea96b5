"""Logits and noise become tokens, on the device, for all rows at once. The rows' settings may differ."""

from collections.abc import Sequence

import torch
from torch import Tensor

from shared.geometry import CODEBOOK_SIZE
from shared.ids import RenderId
from workers.ar.model import Sampling
from workers.ar.noise import Noise
from workers.ar.sequence import ArSequence

NOT_A_NUMBER = -1  # what a row with NaN or infinite logits gets instead of a token

_CANDIDATES = 512  # sorted at first; trained logits keep far fewer at top_p 0.75, flat ones need another round


class Sampler:
    """Temperature, top-k and top-p in the order of transformers' processors, then one draw a row.

    Only codes 0..16383 can be chosen: every sampled position lies inside a grid.
    """

    def __init__(self, defaults: Sampling, noise: Noise) -> None:
        self._defaults = defaults
        self._noise = noise

    def pick(self, logits: Tensor, sequences: Sequence[ArSequence]) -> list[int]:
        """`logits` are (rows, vision vocabulary). One code per row, or `NOT_A_NUMBER`; the one copy to the host."""
        noise = self._noise.draw(sequences)[:, :CODEBOOK_SIZE]
        codes = logits[:, :CODEBOOK_SIZE].float()
        is_number = codes.isfinite().all(dim=-1)
        probs = torch.softmax(codes.nan_to_num() / self._column("temperature", sequences, codes), dim=-1)
        chosen = self._choose(probs, noise, self._column("top_p", sequences, codes))
        return torch.where(is_number, chosen, NOT_A_NUMBER).tolist()

    def forget(self, render_id: RenderId) -> None:
        self._noise.forget(render_id)

    def _choose(self, probs: Tensor, noise: Tensor, top_p: Tensor) -> Tensor:
        """argmax(p / q) over the kept codes. A code is kept while the likelier ones hold less than `top_p`.

        That set lies among the likeliest few, so only those are sorted; a row that needs more sorts them all.
        """
        num_kept = min(self._defaults.top_k, CODEBOOK_SIZE)
        total = probs.topk(num_kept).values.sum(-1, keepdim=True) if num_kept < CODEBOOK_SIZE else 1.0
        # On a GPU a full sort is cheap and asking the device whether a short one sufficed is not.
        num_candidates = min(_CANDIDATES, num_kept) if probs.device.type == "cpu" else num_kept
        while True:
            likeliest, codes = probs.topk(num_candidates, dim=-1)
            held = likeliest.cumsum(-1) / total
            if num_candidates == num_kept or bool((held[:, -1:] >= top_p).all()):
                break
            num_candidates = num_kept
        is_kept = (held - likeliest / total) < top_p
        is_kept[:, 0] = True
        scores = (likeliest / noise.gather(-1, codes)).masked_fill(~is_kept, -1.0)
        return codes.gather(-1, scores.argmax(-1, keepdim=True)).squeeze(-1)

    def _column(self, name: str, sequences: Sequence[ArSequence], like: Tensor) -> Tensor:
        """A setting of every row, the request's or the checkpoint's: (rows, 1)."""
        default = getattr(self._defaults, name)
        asked = [getattr(sequence.claim.settings, name) for sequence in sequences]
        return torch.tensor([[default if value is None else value] for value in asked], device=like.device)
