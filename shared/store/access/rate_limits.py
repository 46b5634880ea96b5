"""Counts the requests and pixels of tenants with the Python library `limits`. The counts are in the store, and their
time windows follow the store's clock.
"""

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from shared.access.limits import LimitDecision, Quota, RateLimitState, Refusal, TenantLimits, Window
from shared.ids import TenantId
from shared.store.core.connect import Client, translated

_MINUTE_S = 60
_DAY_S = 24 * 3600


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
        item = _requests(limits)
        return self._use(item, tenant, 1) if item else None

    def use_pixels(self, tenant: TenantId, limits: TenantLimits, num_pixels: int) -> LimitDecision | None:
        """Charges the pixels of a job's pictures to the tenant's daily limit. Call this right before the job is
        created.

        Returns the decision whether the limit allows the pixels, or None for a tenant without a limit of pixels.
        """
        item = _pixels(limits)
        return self._use(item, tenant, num_pixels) if item else None

    def look(self, tenant: TenantId, limits: TenantLimits) -> tuple[RateLimitState, RateLimitState]:
        """Returns the states of the tenant's limits of requests and of pixels. Charges nothing to them."""
        found = zip((_requests(limits), _pixels(limits)), (_MINUTE_S, _DAY_S), strict=True)
        requests, pixels = (self._state(item, tenant) if item else RateLimitState(window_s) for item, window_s in found)
        return requests, pixels

    def refuse_pixels(self, tenant: TenantId, limits: TenantLimits, num_pixels: int) -> Refusal | None:
        """Returns the refusal if `num_pixels` would exceed the tenant's limit of pixels now. Charges nothing to it."""
        item = _pixels(limits)
        if item is None:
            return None
        window = self._possible_window(item, tenant)
        return None if window.used + num_pixels <= item.amount else _refusal(_quota(item), window, num_pixels)

    def _state(self, item: RateLimitItem, tenant: TenantId) -> RateLimitState:
        window = self._possible_window(item, tenant)
        return RateLimitState(item.get_expiry(), window.usage(_quota(item)), window.wait_s(item.amount, item.amount))

    def _possible_window(self, item: RateLimitItem, tenant: TenantId) -> Window:
        with translated():
            window = self._window(item, tenant)
        return Window(window.length_s) if window.is_impossible else window  # the next charge will clear it

    def _use(self, item: RateLimitItem, tenant: TenantId, cost: int) -> LimitDecision:
        quota = _quota(item)
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


def _requests(limits: TenantLimits) -> RateLimitItem | None:
    most = limits.requests_per_minute
    return None if most is None else RateLimitItemPerMinute(most, namespace="requests")


def _pixels(limits: TenantLimits) -> RateLimitItem | None:
    most = limits.pixels_per_day
    return None if most is None else RateLimitItemPerDay(most, namespace="pixels")


def _quota(item: RateLimitItem) -> Quota:
    return Quota(item.namespace, item.amount, item.get_expiry())


def _refusal(quota: Quota, window: Window, cost: int) -> Refusal:
    if cost > quota.limit:
        message = f"{cost} {quota.name} are more than the {quota.limit} in {quota.window_s} s that this tenant may use"
        return Refusal(quota.name, message, None)
    message = f"this tenant may use {quota.limit} {quota.name} in {quota.window_s} s"
    return Refusal(quota.name, message, window.wait_s(cost, quota.limit))
