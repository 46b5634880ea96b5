"""Creates the header fields that report rate limits, in the formats of the IETF draft and of OpenAI."""

import math
from collections.abc import Iterable

from shared.access.limits import LimitUsage, Refusal

_OPENAI_UNITS = frozenset({"requests"})  # OpenAI's clients know only this unit; pixels are our addition


def rate_limit_fields(usages: Iterable[LimitUsage]) -> dict[str, str]:
    """Returns the header fields that tell a client how much of each rate limit is left.

    The fields are `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10), and OpenAI's
    `x-ratelimit-*`. A tenant without rate limits gets no fields.
    """
    all_of_them = list(usages)
    if not all_of_them:
        return {}
    fields = {
        "RateLimit-Policy": ", ".join(map(_policy, all_of_them)),
        "RateLimit": ", ".join(f'"{s.quota.name}";r={s.remaining};t={math.ceil(s.reset_s)}' for s in all_of_them),
    }
    for usage in all_of_them:
        unit = usage.quota.name
        if unit in _OPENAI_UNITS:
            fields[f"x-ratelimit-limit-{unit}"] = str(usage.quota.limit)
            fields[f"x-ratelimit-remaining-{unit}"] = str(usage.remaining)
            fields[f"x-ratelimit-reset-{unit}"] = _duration(usage.reset_s)
    return fields


def refusal_fields(refusal: Refusal) -> dict[str, str]:
    """Returns the header fields that say when to retry after a rate limit was exceeded.

    These are `Retry-After` in seconds and `retry-after-ms`, which OpenAI's client prefers, both rounded up. If no
    wait can help, the field is `x-should-retry: false`, which OpenAI's client reads.
    """
    if refusal.retry_after_s is None:
        return {"x-should-retry": "false"}
    wait_ms = max(1, math.ceil(refusal.retry_after_s * 1000))
    return {"Retry-After": str(math.ceil(wait_ms / 1000)), "retry-after-ms": str(wait_ms)}


def _policy(usage: LimitUsage) -> str:
    """Formats a rate limit as an item of the header field `RateLimit-Policy`.

    The unit of the limit is requests unless the parameter `qu` names another.
    """
    quota = usage.quota
    unit = "" if quota.name == "requests" else f';qu="{quota.name}"'
    return f'"{quota.name}";q={quota.limit}{unit};w={quota.window_s}'


def _duration(seconds: float) -> str:
    """Formats a duration like OpenAI, which uses the format of Go: `250ms`, `8s`, `6m0s`. Rounds up."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
