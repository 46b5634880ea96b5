"""When a failed delivery is tried again. Pure arithmetic; the waiting is done by the store."""

import random
from collections.abc import Sequence

# Seconds between attempts, after the example schedule of Standard Webhooks 1.0.0: ten attempts in about 75 hours.
RETRY_DELAYS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
# Progress is old after a second: the next report tells more than this one tried again.
NO_RETRIES: tuple[int, ...] = ()
# A manifest goes to our own object store: back in seconds or minutes, and nobody is to be spared.
MANIFEST_DELAYS_S = (1, 2, 5, 10, 20, 30, *24 * (60,), *72 * (1_200,))
JITTER = 0.1  # keeps receivers that went down together from being called together
# A receiver may ask for more time, but not for days: what is due to it would pile up.
LONGEST_RETRY_AFTER_S = 3_600


def retry_delay_s(
    delays_s: Sequence[int], attempt: int, rng: random.Random, retry_after_s: float | None = None
) -> float | None:
    """Seconds to wait after failed attempt number `attempt` (from 1), or None when that was the last.

    What the receiver asks for prolongs the wait and never shortens it.
    """
    if attempt > len(delays_s):
        return None
    delay_s = delays_s[attempt - 1] * rng.uniform(1.0, 1.0 + JITTER)
    return max(delay_s, clamped(retry_after_s))


def clamped(retry_after_s: float | None) -> float:
    """From 0 to an hour."""
    return min(max(retry_after_s or 0.0, 0.0), LONGEST_RETRY_AFTER_S)
