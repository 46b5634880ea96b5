"""Computes when a failed webhook or manifest is tried again. Does not wait: retries wait in the store."""

import random
from collections.abc import Sequence

# Seconds between attempts, after the example schedule of Standard Webhooks 1.0.0: ten attempts in about 75 hours.
RETRY_DELAYS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
# Events of progress are not retried, because the next event has newer progress a second later.
NO_RETRIES: tuple[int, ...] = ()
# A manifest goes to our own object store, which usually recovers within minutes, so retries can be frequent.
MANIFEST_DELAYS_S = (1, 2, 5, 10, 20, 30, *24 * (60,), *72 * (1_200,))
JITTER = 0.1  # A delay grows by up to this share, so that receivers that failed together are not called together.
# Upper limit of a receiver's `Retry-After`. With a longer wait, messages for this receiver would pile up.
LONGEST_RETRY_AFTER_S = 3_600


def retry_delay_s(
    delays_s: Sequence[int], attempt: int, rng: random.Random, retry_after_s: float | None = None
) -> float | None:
    """Returns how many seconds to wait after failed attempt number `attempt`, counted from 1.

    Returns None after the last attempt. A receiver's `Retry-After` can extend the wait but never shortens it.
    """
    if attempt > len(delays_s):
        return None
    delay_s = delays_s[attempt - 1] * rng.uniform(1.0, 1.0 + JITTER)
    return max(delay_s, clamped(retry_after_s))


def clamped(retry_after_s: float | None) -> float:
    """Returns the seconds of a `Retry-After` header, limited to the range from 0 to 3,600. Returns 0 for None."""
    return min(max(retry_after_s or 0.0, 0.0), LONGEST_RETRY_AFTER_S)
