"""Counts the requests and pixels of tenants with the Python library `limits`. The counts are in the store, and their
time windows follow the store's clock.
"""

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from shared.access.limits import LimitDecision, Quota, Refusal, TenantLimits, Window
from shared.ids import TenantId
from shared.store.core.connect import Client, translated


class RateLimits:
    """Checks the rate limits of tenants: requests per minute and pixels per day. A refused request does not count.

    A check takes two round trips to the store, or none for a tenant without the limit. Every method raises
    `StoreUnavailable` when the store does not answer.

    Counting starts again at 0 in two cases. The first is a change of the limit. The second is a store's clock that was
    set back, because the time window would then stay open for too long.
    """

    def __init__(self, client: Client) -> None:
        # The URL only selects the kind of storage; the connections are those of `client`.
        self._storage = RedisStorage("redis://", connection_pool=client.connection_pool, key_prefix="gridpress:used")
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)

    def use_request(self, tenant: TenantId, limits: TenantLimits) -> LimitDecision | None:
        """Charges one request to the tenant's limit of requests. Returns the decision whether the limit allows it, or
        None for a tenant without this limit.
        """
        if limits.requests_per_minute is None:
            return None
        return self._use(RateLimitItemPerMinute(limits.requests_per_minute, namespace="requests"), tenant, 1)

    def use_pixels(self, tenant: TenantId, limits: TenantLimits, num_pixels: int) -> LimitDecision | None:
        """Charges the pixels of a job's pictures to the tenant's daily limit. Call this right before the job is
        created.

        Returns the decision whether the limit allows the pixels, or None for a tenant without a limit of pixels.
        """
        if limits.pixels_per_day is None:
            return None
        return self._use(RateLimitItemPerDay(limits.pixels_per_day, namespace="pixels"), tenant, num_pixels)

    def _use(self, item: RateLimitItem, tenant: TenantId, cost: int) -> LimitDecision:
        quota = Quota(item.namespace, item.amount, item.get_expiry())
        with translated():
            is_granted = self._limiter.hit(item, tenant, cost=cost)
            window = self._window(item, tenant)
            if not is_granted and window.is_impossible:
                self._limiter.clear(item, tenant)
                is_granted = self._limiter.hit(item, tenant, cost=cost)
                window = self._window(item, tenant)
        refusal = None if is_granted else _refusal(quota, window, cost)
        return LimitDecision(window.usage(quota), refusal)

    def _window(self, item: RateLimitItem, tenant: TenantId) -> Window:
        length_s = item.get_expiry()
        previous, previous_left_s, current, current_ttl_s = self._storage.get_sliding_window(
            item.key_for(tenant), length_s
        )
        # The current counter lives for two windows: the window that it counts, and the next one, in which its weight
        # shrinks.
        return Window(length_s, previous, previous_left_s, current, max(0.0, current_ttl_s - length_s))


def _refusal(quota: Quota, window: Window, cost: int) -> Refusal:
    if cost > quota.limit:
        message = f"{cost} {quota.name} are more than the {quota.limit} in {quota.window_s} s that this tenant may use"
        return Refusal(quota.name, message, None)
    message = f"this tenant may use {quota.limit} {quota.name} in {quota.window_s} s"
    return Refusal(quota.name, message, window.wait_s(cost, quota.limit))
