"""Measures how long the steps of each render take on this device."""

from collections.abc import Collection, Mapping

from shared.ids import RenderId


class StepTimes:
    """The mean step time of each render in the engine. The engine thread writes it; any thread may read it.

    `mean_s` is the mean over the renders that are in the engine, or were in it last. It is 0 before the first step.
    """

    def __init__(self) -> None:
        self.mean_s = 0.0
        self._sums: Mapping[RenderId, tuple[float, int]] = {}

    def note(self, members: Collection[RenderId], took_s: float, present: Collection[RenderId]) -> None:
        """Adds a step that took `took_s` seconds to the mean of each render in the step (`members`).

        Removes the means of renders that are no longer in the engine. `present` has the renders that are.
        """
        sums = {render_id: known for render_id, known in self._sums.items() if render_id in present}
        for render_id in members:
            if render_id in present:
                total_s, num = sums.get(render_id, (0.0, 0))
                sums[render_id] = (total_s + took_s, num + 1)
        if sums:
            self.mean_s = sum(total_s for total_s, _ in sums.values()) / max(1, sum(num for _, num in sums.values()))
        self._sums = sums  # one assignment, because another thread may be reading

    def seconds_a_step(self, render_id: RenderId) -> float | None:
        """Returns the mean time of the render's steps in seconds, or None before its first step."""
        total_s, num = self._sums.get(render_id, (0.0, 0))
        return total_s / num if num else None
