"""Everything that a request is about is purged between two of its reads, whichever they are: it is never a 500."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.services import Services
from shared.errors import GridpressError
from shared.store.core.connect import Client
from shared.store.core.fault_counts import FaultCounts
from shared.store.renders.leases import LeaseStore
from tests.fuzz.traffic import requests_of, things_of
from tests.shared.store.builders import RULES, finish_next

pytestmark = pytest.mark.attack

MOST_READS = 6
SPARED = ("gridpress:key", "gridpress:limits", "gridpress:fault_counts")
COPY = 1  # a database that tests don't use


class Purge:
    """Deletes all records right before the store's call number `at` of this process, counted from 1."""

    def __init__(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        self._client = client
        self.left = self.num_done = 0
        for owner, name in ((redis.Redis, "execute_command"), (redis.client.Pipeline, "execute")):
            monkeypatch.setattr(owner, name, self._counting(getattr(owner, name)))

    def at(self, call: int) -> None:
        self.left = call

    def _counting(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                self._purge()
            return real(*args, **named)

        return counted

    def _purge(self) -> None:
        self.num_done += 1
        for key in self._client.keys("gridpress:*"):
            if not key.startswith(SPARED):
                self._client.delete(key)


@pytest.fixture
def purge(client: Client, monkeypatch: pytest.MonkeyPatch) -> Purge:
    return Purge(client, monkeypatch)


@pytest.fixture
def copies(valkey_url: str) -> Iterator[redis.Redis]:
    """A database beside that of the tests."""
    with redis.Redis.from_url(valkey_url, db=COPY, decode_responses=True) as connection:
        connection.flushdb()
        yield connection
        connection.flushdb()


@pytest.fixture
def ids(http: FlaskClient, client: Client, copies: redis.Redis) -> dict[str, str]:
    """Makes one object of each kind and copies all records. Returns the ids by kind."""

    def post(path: str, **what: Any) -> dict[str, Any]:
        return dict(http.post(path, **what).get_json())

    job = post("/v1/jobs", json={"prompt": "a"})["id"]
    finish_next(LeaseStore(client, RULES))
    found = {**things_of(post), "job_id": job}
    for key in client.keys("gridpress:*"):
        client.copy(key, key, destination_db=COPY, replace=True)
    return found


def restore(client: Client, copies: redis.Redis) -> None:
    """The records as they were."""
    client.flushdb()
    for key in copies.keys("*"):
        copies.copy(key, key, destination_db=0, replace=True)


def test_no_request_crashes_for_what_is_purged_between_two_reads(
    http: FlaskClient, house: Services, client: Client, copies: redis.Redis, ids: dict[str, str], purge: Purge
) -> None:
    house.stop()  # whoever waits is answered now
    for asked in requests_of(http.get("/openapi.json").get_json(), ids, "none", "localhost"):
        method, path = asked.method.decode(), asked.target.decode()
        fields = {name.decode(): value.decode() for name, value in asked.fields if name == b"Content-Type"}
        for call in range(1, MOST_READS + 1):
            restore(client, copies)
            purge.at(call)
            try:
                answer = http.open(path, method=method, data=asked.body, headers=fields)
                assert answer.status_code != 500, (method, path, call)
            except GridpressError:  # a download that had begun: its connection is cut
                pass
            if purge.left > 0:
                break  # it makes no more calls than that
    purge.at(0)
    assert purge.num_done > 100
    assert FaultCounts(client).read() == {}
