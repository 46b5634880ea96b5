"""The delivery process itself: killed between sending and recording, and asked to stop."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from shared.ids import DEFAULT_TENANT, TenantId
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from shared.store.endpoints.endpoints import EndpointChanges, EndpointStore
from shared.store.jobs.jobs import JobStore
from shared.webhooks.secrets import new_secret
from tests.api.processes import environment
from tests.shared.store.builders import message_id, submitted
from tests.workers.delivery.receivers import receiving

LIMIT_S = 60


@contextmanager
def delivering(settings: Settings, redis_url: str, **changes: object) -> Iterator[subprocess.Popen[bytes]]:
    env = environment(settings, REDIS_URL=redis_url, EGRESS_ALLOW="127.0.0.1", **changes)
    process = subprocess.Popen([sys.executable, "-m", "workers.delivery"], env=env, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(LIMIT_S)


def end_leases(client: Client) -> None:
    """As if their time were over."""
    for key in (*client.keys("gridpress:flying:*"), *client.keys("gridpress:line:*")):
        for member in cast("list[str]", client.zrange(key, 0, -1)):
            client.zadd(key, {member: 0})


def statuses(client: Client, name: str) -> list[str]:
    fields = cast("dict[str, str]", client.hgetall(f"gridpress:message:{name}"))
    return [status for field, status in fields.items() if field.startswith("to:")]


def test_a_receiver_whose_answer_was_never_recorded_hears_the_same_id_again(
    s3_settings: Settings, valkey_url: str, client: Client, store: JobStore
) -> None:
    with receiving() as receiver:
        receiver.gate.clear()
        job = submitted(store, webhook_url=receiver.url)
        store.cancel(job.job_id, DEFAULT_TENANT)
        with delivering(s3_settings, valkey_url) as process:
            receiver.wait_for(1, LIMIT_S)
            process.send_signal(signal.SIGKILL)
            process.wait(LIMIT_S)
        receiver.gate.set()
        end_leases(client)
        with delivering(s3_settings, valkey_url) as process:
            receiver.wait_for(2, LIMIT_S)
            process.terminate()
            assert process.wait(LIMIT_S) == 0
        assert receiver.ids == [message_id(job.job_id, "cancelled")] * 2
    assert statuses(client, receiver.ids[0]) == ["delivered"]


def test_asked_to_stop_it_ends_in_time_and_hands_back_what_hangs(
    s3_settings: Settings, valkey_url: str, client: Client, store: JobStore
) -> None:
    with receiving() as receiver:
        receiver.gate.clear()
        job = submitted(store, webhook_url=receiver.url)
        store.cancel(job.job_id, DEFAULT_TENANT)
        with delivering(s3_settings, valkey_url, DRAIN_GRACE_S=0.1) as process:
            receiver.wait_for(1, LIMIT_S)
            process.terminate()
            assert process.wait(LIMIT_S) == 0
    assert statuses(client, message_id(job.job_id, "cancelled")) == ["pending"]
    assert client.keys("gridpress:flying:*") == []
    assert len(client.keys("gridpress:due:*")) == 1


def test_hundreds_of_attempts_hang_and_a_receiver_never_seen_is_told_at_once(
    s3_settings: Settings, valkey_url: str, client: Client, store: JobStore
) -> None:
    num = 200
    with receiving() as hanging, receiving() as well, delivering(s3_settings, valkey_url):
        hanging.gate.clear()
        for _ in range(num):
            EndpointStore(client).create(DEFAULT_TENANT, hanging.url, new_secret(), EndpointChanges(), most=num)
        store.cancel(submitted(store).job_id, DEFAULT_TENANT)
        hanging.wait_for(num, LIMIT_S)
        acme = TenantId("acme")
        store.cancel(submitted(store, tenant=acme, webhook_url=well.url).job_id, acme)
        well.wait_for(1, LIMIT_S)
        assert statuses(client, hanging.ids[0]) == ["pending"] * num, "all of them are still waited for"
