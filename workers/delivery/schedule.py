"""When a failed delivery is tried again. Pure arithmetic; the waiting is done by the store."""

import random
from collections.abc import Sequence

# Seconds between attempts, after the example schedule of Standard Webhooks 1.0.0: about 75 hours in all.
RETRY_DELAYS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
# A manifest goes to our own object store: back in seconds or minutes, and nobody is to be spared.
MANIFEST_DELAYS_S = (1, 2, 5, 10, 20, 30, *24 * (60,), *72 * (1_200,))
_JITTER = 0.1  # keeps receivers that went down together from being called together


def retry_delay_s(delays_s: Sequence[int], attempt: int, rng: random.Random) -> float | None:
    """Seconds to wait after failed attempt number `attempt` (from 1), or None when that was the last."""
    if attempt > len(delays_s):
        return None
    return delays_s[attempt - 1] * rng.uniform(1.0, 1.0 + _JITTER)
