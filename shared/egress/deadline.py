"""A deadline for a whole call, however many reads it takes."""

import time


class Deadline:
    """Starts when it is created. One deadline may cover several calls, such as all images of a request."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._ends_at = time.monotonic() + timeout_s

    def left_s(self) -> float:
        """Returns the seconds left, more than 0. Raises `TimeoutError` when none are left."""
        left_s = self._ends_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        return left_s

    def put_off(self, by_s: float) -> None:
        """Moves the deadline by time that was not spent on the network."""
        self._ends_at += by_s
