"""Decides how many decode steps the device runs between two visits of the host. It uses no tensors and no clock."""

MOST_STEPS = 8
LONGEST_S = 0.1


class Visits:
    """Decides how many decode steps the device runs before the host reads their tokens.

    Between two visits no render joins or leaves, so a new or cancelled render waits until the next visit. It waits for
    at most 8 steps and at most 0.1 s, or for one step if a step takes longer.
    """

    def __init__(self, most_steps: int = MOST_STEPS, longest_s: float = LONGEST_S) -> None:
        self._most_steps = most_steps
        self._longest_s = longest_s
        self._step_s: float | None = None

    def num_steps(self, most: int) -> int:
        """Returns the number of steps until the next visit, which is at most `most`. Before a step has been measured,
        it is 1.
        """
        if self._step_s is None:
            return 1
        return max(1, min(most, self._most_steps, int(self._longest_s / max(self._step_s, 1e-6))))

    def note(self, num_steps: int, took_s: float) -> None:
        """Notes that the last `num_steps` steps took `took_s` seconds."""
        self._step_s = took_s / num_steps
