"""Measures how long the steps of each render take on this device."""

from collections.abc import Collection, Mapping

from shared.ids import RenderId
from shared.jobs.leases import Progress


class StepTimes:
    """The mean step time of each render in the engine. The engine thread writes it; any thread may read it.

    `mean_s` is the mean over the renders that are in the engine, or were in it last. It is 0 before the first step.
    """

    def __init__(self) -> None:
        self.mean_s = 0.0
        self._sums: Mapping[RenderId, tuple[float, int]] = {}

    def note(
        self,
        members: Collection[RenderId],
        took_s: float,
        before: Mapping[RenderId, Progress],
        after: Mapping[RenderId, Progress],
    ) -> None:
        """Adds a step of the engine that took `took_s` seconds to the mean of each render in the step (`members`).
        `before` and `after` are the progress of all renders before and after the step.

        An AR engine decodes several steps of a render at once. Removes the means of renders that are no longer in the
        engine.
        """
        sums = {render_id: known for render_id, known in self._sums.items() if render_id in after}
        for render_id in members:
            if render_id in after:
                total_s, num = sums.get(render_id, (0.0, 0))
                sums[render_id] = (total_s + took_s, num + _num_steps(render_id, before, after))
        if sums:
            self.mean_s = sum(total_s for total_s, _ in sums.values()) / max(1, sum(num for _, num in sums.values()))
        self._sums = sums  # one assignment, because another thread may be reading

    def seconds_a_step(self, render_id: RenderId) -> float | None:
        """Returns the mean time of the render's steps in seconds, or None before its first step."""
        total_s, num = self._sums.get(render_id, (0.0, 0))
        return total_s / num if num else None


def most_steps(before: Mapping[RenderId, Progress], after: Mapping[RenderId, Progress]) -> int:
    """Returns the most steps that a render did between two times, at least 1.

    If no render is left, all have probably ended, and did the rest of their steps.
    """
    if after:
        return max(_num_steps(render_id, before, after) for render_id in after)
    return max((max(1, seen.total - seen.done) for seen in before.values()), default=1)


def _num_steps(render_id: RenderId, before: Mapping[RenderId, Progress], after: Mapping[RenderId, Progress]) -> int:
    """Returns the number of steps of a render between two times. A step that only prepares a render counts as one."""
    done = before[render_id].done if render_id in before else 0
    return max(1, after[render_id].done - done)
