"""Defines a deadline for a whole request, however many reads it takes."""

import time


class Deadline:
    """A point in time, `timeout_s` seconds after its creation. One deadline may cover several requests, such as all
    images of a job.
    """

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._ends_at = time.monotonic() + timeout_s

    def left_s(self) -> float:
        """Returns the seconds left until the deadline, always more than 0. Raises `TimeoutError` after the deadline."""
        left_s = self._ends_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        return left_s

    def put_off(self, by_s: float) -> None:
        """Moves the deadline `by_s` seconds later. Callers use this for time that they spent on other work than the
        network.
        """
        self._ends_at += by_s
