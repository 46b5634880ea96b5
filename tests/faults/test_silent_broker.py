"""A network that says nothing any more and closes nothing: no consumer may lose the right to ask by it."""

import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from kombu import Connection, Consumer, Queue

from shared.celery_app import make_celery
from shared.hints.broker import last_poll
from shared.store.core.connect import Client
from tests.chaos.proxy import Proxy

pytestmark = pytest.mark.attack

SOCKET_TIMEOUT_S = 0.3


@pytest.fixture
def proxy(valkey_url: str) -> Iterator[Proxy]:
    store = urlsplit(valkey_url)
    with Proxy(lambda: socket.create_connection((store.hostname, store.port or 0))) as made:
        yield made


def behind(proxy: Proxy, url: str) -> str:
    """The same store, through the proxy."""
    return url.replace(f":{urlsplit(url).port}", f":{proxy.port}")


@pytest.fixture
def broker(proxy: Proxy, valkey_url: str, client: Client) -> Iterator[Connection]:
    conf = make_celery(behind(proxy, valkey_url)).conf
    options = {**conf.broker_transport_options, "socket_timeout": SOCKET_TIMEOUT_S}
    with Connection(conf.broker_url, transport=conf.broker_transport, transport_options=options) as connection:
        yield connection


def test_a_task_that_ends_in_silence_leaves_its_consumer_free_to_ask(broker: Connection, proxy: Proxy) -> None:
    taken = []
    channel = broker.channel()
    with Consumer(channel, [Queue("ar")], callbacks=[lambda _, message: taken.append(message)], prefetch_count=1):
        broker.Producer().publish({}, routing_key="ar")
        broker.drain_events(timeout=10)
        assert not channel.qos.can_consume()
        proxy.drop()
        taken[0].ack()
        assert channel.qos.can_consume()
        proxy.pass_on()


def test_the_store_keeps_nothing_of_hints_that_were_read(broker: Connection, client: Client) -> None:
    with Consumer(broker.channel(), [Queue("ar")], callbacks=[lambda *_: None]):
        broker.Producer().publish({}, routing_key="ar")
        broker.drain_events(timeout=10)
        assert [key for key in client.scan_iter("gridpress:celery:*") if "_kombu" not in key] == []


def test_whoever_consumes_is_known_to_ask(broker: Connection) -> None:
    begun_s = time.monotonic()
    with Consumer(broker.channel(), [Queue("ar")], callbacks=[lambda *_: None]):
        broker.Producer().publish({}, routing_key="ar")
        broker.drain_events(timeout=10)
    assert last_poll.ago_s <= time.monotonic() - begun_s
