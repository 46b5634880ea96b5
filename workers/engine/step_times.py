"""How long the steps of each render take on this device. Knows nothing of why."""

from collections.abc import Collection, Mapping

from shared.ids import RenderId


class StepTimes:
    """The engine thread writes; any thread may read."""

    def __init__(self) -> None:
        self._sums: Mapping[RenderId, tuple[float, int]] = {}

    def note(self, members: Collection[RenderId], took_s: float, present: Collection[RenderId]) -> None:
        """A step of `members` took `took_s`. Forgets whoever is not `present` in the engine any more."""
        sums = {render_id: known for render_id, known in self._sums.items() if render_id in present}
        for render_id in members:
            if render_id in present:
                total_s, num = sums.get(render_id, (0.0, 0))
                sums[render_id] = (total_s + took_s, num + 1)
        self._sums = sums  # in one write: another thread may be reading

    def seconds_a_step(self, render_id: RenderId) -> float | None:
        """Returns the mean of the render's steps; None before the first."""
        total_s, num = self._sums.get(render_id, (0.0, 0))
        return total_s / num if num else None
