"""Limits of tenants: the arithmetic, the counting in the real store, and what clients are told."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from api.rate_limit_fields import rate_limit_fields, refusal_fields
from shared.access.limits import LimitUsage, Quota, Refusal, TenantLimits, Window, refuse_more_queued
from shared.ids import TenantId
from shared.store.access.rate_limits import RateLimits
from shared.store.core.connect import Client

TENANT = TenantId("acme")
REQUESTS = Quota("requests", 600, 60)
PIXELS = Quota("pixels", 1 << 24, 86_400)
TICK_S = 0.001  # of the store's clock


@st.composite
def windows(draw: st.DrawFn) -> Window:
    left_s = draw(st.floats(0.0, 60.0))
    counts = st.integers(0, 500)
    return Window(60.0, draw(counts), left_s, draw(counts), left_s)


@st.composite
def costs_and_limits(draw: st.DrawFn) -> tuple[int, int]:
    """A limit, and what one request uses of it: at most all."""
    limit = draw(st.integers(1, 1000))
    return draw(st.integers(1, limit)), limit


def later(window: Window, wait_s: float) -> Window:
    """The same counters a while later, when nobody used anything: what the store's own script would find."""
    left_s = window.current_left_s - wait_s
    if left_s >= 0:
        return Window(
            window.length_s, window.previous, max(0.0, window.previous_left_s - wait_s), window.current, left_s
        )
    return Window(window.length_s, window.current, max(0.0, window.length_s + left_s), 0, 0.0)


@given(windows(), costs_and_limits())
def test_whoever_waits_as_long_as_told_fits(window: Window, cost_and_limit: tuple[int, int]) -> None:
    cost, limit = cost_and_limit
    wait_s = window.wait_s(cost, limit)
    assert 0 <= wait_s <= 2 * window.length_s + TICK_S
    assert later(window, wait_s).used + cost <= limit


@given(windows(), costs_and_limits())
def test_whoever_comes_earlier_does_not_fit(window: Window, cost_and_limit: tuple[int, int]) -> None:
    cost, limit = cost_and_limit
    wait_s = window.wait_s(cost, limit)
    assume(wait_s > 2 * TICK_S)
    assert later(window, wait_s - 2 * TICK_S).used + cost > limit


@given(windows(), st.integers(1, 1000))
def test_the_wait_of_a_refusal_is_never_shorter_than_the_reset(window: Window, limit: int) -> None:
    usage = window.usage(Quota("requests", limit, 60))
    assert 0 <= usage.remaining <= limit
    if usage.remaining < limit:
        assert window.wait_s(limit, limit) >= window.wait_s(usage.remaining + 1, limit) == usage.reset_s


def test_requests_are_counted_until_the_limit_and_refused_ones_cost_nothing(client: Client) -> None:
    limiter, limits = RateLimits(client), TenantLimits(requests_per_minute=3)
    verdicts = [limiter.use_request(TENANT, limits) for _ in range(6)]
    assert [verdict and verdict.usage.remaining for verdict in verdicts] == [2, 1, 0, 0, 0, 0]
    refusals = [verdict.refusal for verdict in verdicts if verdict and verdict.refusal]
    assert len(refusals) == 3
    assert all(0 < (refusal.retry_after_s or 0) <= 60 + TICK_S for refusal in refusals)


def test_pixels_are_counted_by_the_day(client: Client) -> None:
    limiter, limits = RateLimits(client), TenantLimits(pixels_per_day=1 << 22)
    first = limiter.use_pixels(TENANT, limits, 1 << 21)
    too_many = limiter.use_pixels(TENANT, limits, (1 << 21) + 1)
    second = limiter.use_pixels(TENANT, limits, 1 << 21)
    assert first
    assert too_many
    assert second
    assert (first.refusal, second.refusal, second.usage.remaining) == (None, None, 0)
    assert too_many.refusal
    assert too_many.refusal.retry_after_s


def test_more_than_the_whole_quota_can_never_fit(client: Client) -> None:
    verdict = RateLimits(client).use_pixels(TENANT, TenantLimits(pixels_per_day=100), 101)
    assert verdict
    assert verdict.refusal
    assert verdict.refusal.retry_after_s is None
    assert verdict.usage.remaining == 100


def test_tenants_do_not_share_their_limits(client: Client) -> None:
    limiter, limits = RateLimits(client), TenantLimits(requests_per_minute=1)
    verdicts = [limiter.use_request(TenantId(name), limits) for name in ("acme", "globex", "acme")]
    assert [bool(verdict and verdict.refusal) for verdict in verdicts] == [False, False, True]


def test_two_processes_count_together(client: Client) -> None:
    limits = TenantLimits(requests_per_minute=5)
    first, second = RateLimits(client), RateLimits(client)
    verdicts = [limiter.use_request(TENANT, limits) for _ in range(3) for limiter in (first, second)]
    assert [bool(verdict and verdict.refusal) for verdict in verdicts] == [False] * 5 + [True]


def test_what_is_counted_leaves_the_store_by_itself(client: Client) -> None:
    RateLimits(client).use_request(TENANT, TenantLimits(requests_per_minute=5))
    [name] = client.keys("gridpress:used:*")
    assert 60 < client.ttl(name) <= 120


def test_no_limit_is_no_round_trip(client: Client) -> None:
    limiter = RateLimits(client)
    client.connection_pool.disconnect()
    client.connection_pool.connection_kwargs["port"] = 1
    assert limiter.use_request(TENANT, TenantLimits()) is None
    assert limiter.use_pixels(TENANT, TenantLimits(), 100) is None


@pytest.mark.parametrize(
    ("most", "waiting", "n", "refused", "helps"),
    [(None, 999, 9, False, False), (4, 0, 4, False, False), (4, 1, 4, True, True), (4, 0, 5, True, False)],
)
def test_so_many_renders_may_wait(most: int | None, waiting: int, n: int, refused: bool, helps: bool) -> None:
    refusal = refuse_more_queued(TenantLimits(queued_renders=most), waiting, n)
    assert (refusal is not None) == refused
    assert (refusal is not None and refusal.retry_after_s is not None) == helps


def test_every_answer_says_how_much_is_left() -> None:
    fields = rate_limit_fields([LimitUsage(REQUESTS, 599, 0.1), LimitUsage(PIXELS, 0, 86_399.2)])
    assert fields == {
        "RateLimit-Policy": '"requests";q=600;w=60, "pixels";q=16777216;qu="pixels";w=86400',
        "RateLimit": '"requests";r=599;t=1, "pixels";r=0;t=86400',
        "x-ratelimit-limit-requests": "600",
        "x-ratelimit-remaining-requests": "599",
        "x-ratelimit-reset-requests": "100ms",
    }
    assert rate_limit_fields([]) == {}


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "0ms"), (0.25, "250ms"), (8, "8s"), (360, "6m0s"), (59.5, "1m0s")])
def test_times_are_written_as_openai_writes_them(seconds: float, text: str) -> None:
    assert rate_limit_fields([LimitUsage(REQUESTS, 1, seconds)])["x-ratelimit-reset-requests"] == text


@given(st.floats(0, 200_000))
def test_no_field_tells_a_client_to_come_back_too_early(wait_s: float) -> None:
    fields = refusal_fields(Refusal("requests", "", wait_s))
    assert int(fields["Retry-After"]) * 1000 >= int(fields["retry-after-ms"]) >= wait_s * 1000
    assert int(fields["Retry-After"]) >= max(1, math.ceil(wait_s))


def test_what_can_never_fit_is_not_tried_again() -> None:
    assert refusal_fields(Refusal("pixels", "", None)) == {"x-should-retry": "false"}
