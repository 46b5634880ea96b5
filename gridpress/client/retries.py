"""Decides whether and when a call is repeated after an error. Does no I/O and reads no clock."""

import random
from dataclasses import dataclass

from gridpress.client.errors import ClientError, ErrorResponse


@dataclass(frozen=True, slots=True)
class Retries:
    """How often the client repeats a call after a temporary error, and how long it waits before.

    Temporary errors are a lost or refused connection, the statuses 429, 502, 503 and 504, and every error response that
    says `retryable`. The client waits as long as `Retry-After` says. Without it, it waits about `first_wait_s` seconds,
    and before each further attempt twice as long. An error that asks for more than `longest_wait_s` is raised at once.
    """

    most: int = 4
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0

    def wait_s(self, num_retries: int, error: ClientError) -> float | None:
        """Returns the seconds to wait before the next retry after `num_retries` retries; None if there is no more."""
        if num_retries >= self.most or not error.is_temporary:
            return None
        if isinstance(error, ErrorResponse) and error.retry_after_s is not None:
            return error.retry_after_s if error.retry_after_s <= self.longest_wait_s else None
        # Clients that failed together must not all come back together.
        return min(self.first_wait_s * 2.0**num_retries, self.longest_wait_s) * random.uniform(0.5, 1.0)


NO_RETRIES = Retries(most=0)
