"""How much work an engine has in hand, in device seconds by its own measured steps. Decides nothing."""

from collections.abc import Mapping

from shared.ids import RenderId
from shared.jobs.leases import Claim, Progress
from workers.device.turns import BULK_RANK, Want

_FIRST_STEP_S = 0.1  # until one is measured
_NEW = 0.2  # weight of the newest step


class InHand:
    """Every claim between its admission and its outcome. One thread uses it."""

    def __init__(self) -> None:
        self._claims: dict[RenderId, Claim] = {}
        self._step_s = 0.0
        self._num_together = 1

    def add(self, claim: Claim) -> None:
        self._claims[claim.render_id] = claim

    def remove(self, render_id: RenderId) -> None:
        self._claims.pop(render_id, None)

    def see_together(self, num_renders: int) -> None:
        """So many renders share a step: in AR a wave, in the DiT usually one."""
        self._num_together = max(self._num_together, num_renders)

    def see_step(self, took_s: float) -> None:
        self._step_s += (took_s - self._step_s) * (_NEW if self._step_s else 1.0)

    def want(self, progress: Mapping[RenderId, Progress]) -> Want:
        """The most urgent class, and the seconds until all of it would be done."""
        num_left = 0
        for render_id, claim in self._claims.items():
            num_left += claim.num_steps - (progress[render_id].done if render_id in progress else 0)
        num_steps = num_left / max(1, min(self._num_together, len(self._claims)))
        rank = min((claim.priority.rank for claim in self._claims.values()), default=BULK_RANK)
        return Want(rank, num_steps * (self._step_s or _FIRST_STEP_S))
