"""What tenants use is counted by the scripts that end renders and deliveries, once each, in little memory."""

from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest

from shared.errors import LeaseLost
from shared.ids import TenantId, WorkerId, new_job_id
from shared.jobs.spec import Quality
from shared.jobs.states import Stage
from shared.jobs.usage import Amounts, Used, usage_of
from shared.store.core.connect import Client
from shared.store.core.scripts import FILES
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import LeaseStore
from shared.store.usage.usage import UsageRow, UsageStore
from shared.store.webhooks.deliveries import DeliveryStore
from shared.tracing.origin import Origin
from tests.shared.store.builders import (
    A_LOT,
    AN_ATTEMPT,
    DELIVERY_RULES,
    REVISION,
    RULES,
    a_picture,
    a_spec,
)
from tests.shared.store.commands import num_commands
from tests.shared.store.usage import count, decoding, finish

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
KEY = "abcdefgh"
ORIGIN = Origin("req", key_id=KEY)
FIRST, LAST = date(2020, 1, 1), date(2040, 1, 1)
A_MILLION = Amounts(1_000_000, 10**12, 50_000_000, 10**9, 10**9, 10**10, 10**12, 1_000_000)


@pytest.fixture
def leases(client: Client) -> LeaseStore:
    return LeaseStore(client, RULES)


@pytest.fixture
def usage(client: Client) -> UsageStore:
    return UsageStore(client)


def submit(store: JobStore, tenant: TenantId = ACME, **changes: object) -> None:
    store.submit(new_job_id(), a_spec(tenant=tenant, **changes), origin=ORIGIN)


def only_row(usage: UsageStore, tenant: TenantId = ACME) -> UsageRow:
    (row,) = usage.rows(tenant, FIRST, LAST)
    return row


def test_a_finished_picture_counts_for_its_key_day_and_quality(
    client: Client, store: JobStore, leases: LeaseStore, usage: UsageStore
) -> None:
    submit(store)
    finish(leases, decoding(leases))
    row = only_row(usage)
    tokens = 8 * 8 + 16 * 16 + 1
    assert row.amounts == Amounts(1, 256 * 256, 50, row.amounts.ar_tokens, 1500, 2250, 123)
    assert 8 * 8 <= row.amounts.ar_tokens <= tokens
    assert (row.key_id, row.quality, row.tenant) == (KEY, Quality.EXACT, ACME)
    assert abs(row.day - datetime.now(UTC).date()) <= timedelta(days=1)
    assert usage.of_month(ACME, row.day) == row.amounts
    assert list(usage.rows(GLOBEX, FIRST, LAST)) == []


def test_a_repeated_end_counts_once(store: JobStore, leases: LeaseStore, usage: UsageStore) -> None:
    submit(store)
    claim = decoding(leases)
    for _ in range(3):
        finish(leases, claim)
    assert only_row(usage).amounts.pictures == 1


def test_a_worker_that_lost_its_lease_counts_nothing(
    client: Client, store: JobStore, leases: LeaseStore, usage: UsageStore
) -> None:
    submit(store)
    slow = decoding(leases)
    leases.hand_back(slow.lease)
    successor = leases.claim(Stage.DIT, REVISION, WorkerId("other"))
    assert successor
    assert successor.ar_device_s == 1.5
    with pytest.raises(LeaseLost):
        finish(leases, slow)
    assert list(usage.rows(ACME, FIRST, LAST)) == []
    finish(leases, successor)
    with pytest.raises(LeaseLost):
        finish(leases, slow)
    assert only_row(usage).amounts.pictures == 1


def test_a_render_that_ends_without_a_picture_counts_nothing(
    store: JobStore, leases: LeaseStore, usage: UsageStore
) -> None:
    submit(store)
    leases.fail(decoding(leases).lease, {"code": "render_failed", "message": "it did not work"})
    assert list(usage.rows(ACME, FIRST, LAST)) == []


def test_a_deleted_job_stays_counted(client: Client, store: JobStore, leases: LeaseStore, usage: UsageStore) -> None:
    job = store.submit(new_job_id(), a_spec(tenant=ACME), origin=ORIGIN)
    finish(leases, decoding(leases))
    store.delete(job.job_id, ACME)
    assert only_row(usage).amounts.pictures == 1


def test_a_webhook_message_counts_when_it_is_delivered(
    client: Client, store: JobStore, leases: LeaseStore, usage: UsageStore
) -> None:
    submit(store, webhook_url="https://shop.example/hook")
    finish(leases, decoding(leases))
    deliveries = DeliveryStore(client, DELIVERY_RULES)
    (delivery,) = deliveries.claim(A_LOT)
    deliveries.retry_later(delivery, AN_ATTEMPT, 0)
    assert only_row(usage).amounts.webhooks == 0
    (delivery,) = deliveries.claim(A_LOT)
    assert deliveries.delivered(delivery, AN_ATTEMPT) is True
    assert deliveries.delivered(delivery, AN_ATTEMPT) is False
    amounts = only_row(usage).amounts
    assert (amounts.webhooks, amounts.pictures) == (1, 1)


def test_every_day_has_its_month(client: Client) -> None:
    days = [date(1970, 1, 1) + timedelta(days=number) for number in range(0, 90_000, 7)]
    days += [date(2024, 2, 29), date(2100, 2, 28), date(2100, 3, 1), date(2000, 2, 29), date(2027, 12, 31)]
    text = (
        FILES["keys"].read_text()
        + FILES["count_usage"].read_text()
        + (
            "\nlocal found = {}\nfor _, now in ipairs(ARGV) do\n  local month, day = month_and_day(tonumber(now))\n"
            "  found[#found + 1] = month .. string.format('%02d', day)\nend\nreturn found"
        )
    )
    last_ms = [(day - date(1970, 1, 1)).days * 86_400_000 + 86_399_999 for day in days]
    assert client.eval(text, 0, *last_ms) == [f"{day:%Y%m%d}" for day in days]


def test_a_row_takes_at_most_200_bytes(client: Client, usage: UsageStore) -> None:
    keys = [f"key{number:05}" for number in range(40)]
    for key in keys:
        for quality in Quality:
            for day in range(31):
                count(client, Used(key, quality, A_MILLION), ACME, 1_798_761_600_000 + day * 86_400_000)
    (name,) = client.keys("gridpress:usage:*")
    num = client.hlen(name) - 1
    assert num == 40 * len(Quality) * 31
    assert client.memory_usage(name, samples=0) / num <= 200
    assert sum(1 for _ in usage.rows(ACME, FIRST, LAST)) == num


def test_numbers_of_a_large_service_stay_exact(client: Client, usage: UsageStore) -> None:
    for _ in range(3):
        count(client, Used(KEY, Quality.FAST, A_MILLION), ACME)
    amounts = only_row(usage).amounts
    assert amounts == A_MILLION + A_MILLION + A_MILLION
    assert amounts.pixels == 3 * 10**12


def test_counting_a_picture_takes_two_commands(client: Client, store: JobStore, leases: LeaseStore) -> None:
    counts = []
    for is_counted in (True, False, True, False):
        submit(store)
        claim = decoding(leases)
        used = usage_of(claim, a_picture(), 1.0) if is_counted else None
        counts.append(num_commands(client, partial(leases.finish_picture, claim.lease, a_picture(), used)))
    assert counts[2] - counts[3] == 2


def test_months_that_ended_long_ago_are_purged(client: Client, usage: UsageStore) -> None:
    today = datetime.now(UTC).date()
    upkeep = UpkeepStore(client)
    for days_ago in (0, 399, 470, 700):
        moment = datetime.now(UTC) - timedelta(days=days_ago)
        for tenant in (ACME, GLOBEX):
            count(client, Used(KEY, Quality.EXACT, Amounts(1)), tenant, int(moment.timestamp() * 1000))
    upkeep.keep_clock()
    assert upkeep.purge_usage(400) is False
    for tenant in (ACME, GLOBEX):
        days = {row.day for row in usage.rows(tenant, FIRST, LAST)}
        assert days == {today, today - timedelta(days=399)}
    assert usage.tenants(FIRST, LAST) == [ACME, GLOBEX]
    assert usage.tenants(FIRST, today - timedelta(days=440)) == []


def test_an_unreadable_row_is_left_out(client: Client, usage: UsageStore) -> None:
    count(client, Used(KEY, Quality.EXACT, Amounts(1)), ACME)
    (name,) = client.keys("gridpress:usage:*")
    client.hset(name, mapping={"1|a": "x", "77|a|exact": "1", "2|b|exact": "many"})
    assert only_row(usage).amounts.pictures == 1
