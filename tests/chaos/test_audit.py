"""The audit sees everything that is still under way, so that it neither ends too early nor overlooks what leaked."""

import threading
from collections.abc import Iterator
from importlib import resources
from typing import cast

import pytest
from kombu import Connection

from shared.hints.queues import Queue
from shared.objects.store import ObjectStore
from shared.store.core.connect import Client
from tests.chaos.audit import DELIVERY_LEFTOVERS, DELIVERY_PATTERNS, LEFTOVER_PATTERNS, LEFTOVERS, Audit
from tests.chaos.receiver import CountingReceiver

SECRET = "whsec_" + "c2VjcmV0" * 4
NEVER_READ = cast("ObjectStore", None)
LIMIT_S = 30.0


@pytest.fixture
def audit(client: Client) -> Iterator[Audit]:
    with CountingReceiver(SECRET) as receiver:
        yield Audit(client, NEVER_READ, receiver, lambda *_: True)


@pytest.mark.attack
@pytest.mark.parametrize("key", ["gridpress:flying:url_1", "gridpress:due:ep_1", "gridpress:manifests"])
def test_what_a_killed_delivery_process_had_under_way_is_waited_for(audit: Audit, client: Client, key: str) -> None:
    client.zadd(key, {"evt_1": 0.0})
    found: list[list[str]] = []
    settling = threading.Thread(target=lambda: found.append(audit.settle(limit_s=0.0)))
    settling.start()
    settling.join(timeout=0.5)  # long enough to look twice
    assert settling.is_alive()
    client.zrem(key, "evt_1")
    settling.join(LIMIT_S)
    assert found == [[]]


@pytest.mark.attack
def test_a_hint_that_waits_to_be_acknowledged_is_found(audit: Audit, client: Client, valkey_url: str) -> None:
    """As a consumer of plain kombu, which `shared.hints.broker` replaces."""
    plain = Connection(valkey_url, transport_options={"global_keyprefix": "gridpress:celery:"})
    with plain as connection, connection.channel() as channel:
        connection.SimpleQueue(Queue.DIT, channel=channel).put({})
        assert audit.findings([], []).all == []
        assert channel.basic_get(Queue.DIT, no_ack=False)
        found = audit.findings([], []).all
    assert any("to be acknowledged" in line for line in found)


def test_every_key_that_is_looked_at_is_one_that_the_scripts_write() -> None:
    documented = resources.files("shared").joinpath("store", "core", "keys.lua").read_text()
    for key in (*LEFTOVERS, *LEFTOVER_PATTERNS, *DELIVERY_LEFTOVERS, *DELIVERY_PATTERNS):
        name = key.removesuffix("*")
        assert name in documented or name.startswith("gridpress:celery:")
