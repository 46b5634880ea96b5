"""Header fields that tell a client how much it may still ask for, in every dialect that clients read."""

import math
from collections.abc import Iterable

from shared.access.limits import Refusal, Standing

_OPENAI_UNITS = frozenset({"requests"})  # what its clients know; pixels are ours


def standing_fields(standings: Iterable[Standing]) -> dict[str, str]:
    """`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10), and OpenAI's `x-ratelimit-*`."""
    all_of_them = list(standings)
    if not all_of_them:
        return {}
    fields = {
        "RateLimit-Policy": ", ".join(map(_policy, all_of_them)),
        "RateLimit": ", ".join(f'"{s.quota.name}";r={s.remaining};t={math.ceil(s.reset_s)}' for s in all_of_them),
    }
    for standing in all_of_them:
        unit = standing.quota.name
        if unit in _OPENAI_UNITS:
            fields[f"x-ratelimit-limit-{unit}"] = str(standing.quota.limit)
            fields[f"x-ratelimit-remaining-{unit}"] = str(standing.remaining)
            fields[f"x-ratelimit-reset-{unit}"] = _duration(standing.reset_s)
    return fields


def refusal_fields(refusal: Refusal) -> dict[str, str]:
    """`Retry-After` in whole seconds, and `retry-after-ms`, which OpenAI's client prefers. Never less than the wait."""
    if refusal.retry_after_s is None:
        return {"x-should-retry": "false"}
    wait_ms = max(1, math.ceil(refusal.retry_after_s * 1000))
    return {"Retry-After": str(math.ceil(wait_ms / 1000)), "retry-after-ms": str(wait_ms)}


def _policy(standing: Standing) -> str:
    """The draft's unit is requests unless `qu` says otherwise."""
    quota = standing.quota
    unit = "" if quota.name == "requests" else f';qu="{quota.name}"'
    return f'"{quota.name}";q={quota.limit}{unit};w={quota.window_s}'


def _duration(seconds: float) -> str:
    """As OpenAI writes it, in Go's way: `250ms`, `8s`, `6m0s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
