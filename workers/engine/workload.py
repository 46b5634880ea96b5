"""Estimates the work that an engine still has, in seconds of device time, from the measured times of its steps. It
decides nothing.
"""

from collections.abc import Mapping

from shared.ids import RenderId
from shared.jobs.leases import Claim, Progress
from workers.engine.device_turns import BULK_RANK, Demand

_FIRST_STEP_S = 0.1  # the assumed step time until a step is measured
_NEW = 0.2  # weight of the newest step in the moving average


class Workload:
    """The unfinished claims of an engine, and the mean time of its steps. Only one thread may use it."""

    def __init__(self) -> None:
        self._claims: dict[RenderId, Claim] = {}
        self._step_s = 0.0
        self._num_together = 1

    def add(self, claim: Claim) -> None:
        self._claims[claim.render_id] = claim

    def remove(self, render_id: RenderId) -> None:
        self._claims.pop(render_id, None)

    def note_batch(self, num_renders: int) -> None:
        """Notes how many renders shared a step: several in the AR stage, always one in the DiT stage."""
        self._num_together = max(self._num_together, num_renders)

    def note_steps(self, num_steps: int, took_s: float) -> None:
        """Notes that the engine did `num_steps` steps of its renders in `took_s` seconds."""
        self._step_s += (took_s / num_steps - self._step_s) * (_NEW if self._step_s else 1.0)

    def want(self, progress: Mapping[RenderId, Progress]) -> Demand:
        """Returns the engine's demand for its device: its most urgent class, and the seconds until all its renders
        would be done.
        """
        num_left = 0
        for render_id, claim in self._claims.items():
            num_left += claim.num_steps - (progress[render_id].done if render_id in progress else 0)
        num_steps = num_left / max(1, min(self._num_together, len(self._claims)))
        rank = min((claim.priority.rank for claim in self._claims.values()), default=BULK_RANK)
        return Demand(rank, num_steps * (self._step_s or _FIRST_STEP_S))
