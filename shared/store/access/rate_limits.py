"""Counts what tenants use, by the `limits` library over our own store. Times are the store's, not ours."""

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from shared.access.limits import Quota, Refusal, TenantLimits, Verdict, Window
from shared.ids import TenantId
from shared.store.core.connect import Client, translated


class RateLimits:
    """Two round trips for a request for units, none where there is no limit. A refused one uses nothing.

    Every method raises `StoreUnavailable` when the store does not answer. Another limit starts from nothing used. So
    does a window that would stay open for longer than its length, because the store's clock was set back.
    """

    def __init__(self, client: Client) -> None:
        # The URL only names the kind of store; the connections are the client's.
        self._storage = RedisStorage("redis://", connection_pool=client.connection_pool, key_prefix="gridpress:used")
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)

    def use_request(self, tenant: TenantId, limits: TenantLimits) -> Verdict | None:
        """Counts one request. None: requests of this tenant are not limited."""
        if limits.requests_per_minute is None:
            return None
        return self._use(RateLimitItemPerMinute(limits.requests_per_minute, namespace="requests"), tenant, 1)

    def use_pixels(self, tenant: TenantId, limits: TenantLimits, num_pixels: int) -> Verdict | None:
        """Counts the pixels of a job's pictures, right before the job is made. None: they are not limited."""
        if limits.pixels_per_day is None:
            return None
        return self._use(RateLimitItemPerDay(limits.pixels_per_day, namespace="pixels"), tenant, num_pixels)

    def _use(self, item: RateLimitItem, tenant: TenantId, cost: int) -> Verdict:
        quota = Quota(item.namespace, item.amount, item.get_expiry())
        with translated():
            is_granted = self._limiter.hit(item, tenant, cost=cost)
            window = self._window(item, tenant)
            if not is_granted and window.is_impossible:
                self._limiter.clear(item, tenant)
                is_granted = self._limiter.hit(item, tenant, cost=cost)
                window = self._window(item, tenant)
        refusal = None if is_granted else _refusal(quota, window, cost)
        return Verdict(window.standing(quota), refusal)

    def _window(self, item: RateLimitItem, tenant: TenantId) -> Window:
        length_s = item.get_expiry()
        previous, previous_left_s, current, current_ttl_s = self._storage.get_sliding_window(
            item.key_for(tenant), length_s
        )
        # The current counter lives for two windows: the one it counts and the one in which it fades.
        return Window(length_s, previous, previous_left_s, current, max(0.0, current_ttl_s - length_s))


def _refusal(quota: Quota, window: Window, cost: int) -> Refusal:
    if cost > quota.limit:
        message = f"{cost} {quota.name} are more than the {quota.limit} in {quota.window_s} s that this tenant may use"
        return Refusal(quota.name, message, None)
    message = f"this tenant may use {quota.limit} {quota.name} in {quota.window_s} s"
    return Refusal(quota.name, message, window.wait_s(cost, quota.limit))
