"""A moment by which a whole call must be over, however many reads it takes."""

import time


class Deadline:
    """Starts when it is made. One may span several calls, such as all images of a request."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._ends_at = time.monotonic() + timeout_s

    def left_s(self) -> float:
        """More than 0. Raises `TimeoutError` when nothing is left."""
        left_s = self._ends_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        return left_s

    def put_off(self, by_s: float) -> None:
        """For time that nobody waited for the other side."""
        self._ends_at += by_s
