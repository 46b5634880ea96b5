"""What outlives the check of its key ends soon after the key: streams, downloads, held waits."""

import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask, Response, g
from flask.testing import FlaskClient

from api.app import create_app
from api.edge.authentication import Caller
from api.edge.revocation import guard_stream
from api.problems.errors import Unauthorized
from api.services import Services
from shared.access.keys import ApiKey, Scope
from shared.access.limits import TenantLimits
from shared.errors import StoreUnavailable
from shared.ids import DEFAULT_TENANT
from shared.store.access.key_ring import KeyRing
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from tests.cli.waiting import eventually
from tests.shared.store.builders import submitted
from tests.workers.batches.shop import Shop, a_shop, some_lines

pytestmark = pytest.mark.attack

Headers = dict[str, str]


@pytest.fixture
def keys(client: Client) -> KeyStore:
    return KeyStore(client)


@pytest.fixture
def key(keys: KeyStore) -> tuple[ApiKey, Headers]:
    made, text = keys.create(DEFAULT_TENANT, [Scope.READ, Scope.RENDER])
    return made, {"Authorization": f"Bearer {text}"}


def once_watched(client: Client, act: Callable[[], object]) -> threading.Thread:
    """Acts when somebody waits."""

    def run() -> None:
        eventually(lambda: len(client.pubsub_channels("gridpress:events:*")) == 1)
        act()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


WAITS = {
    "a job": ("/v1/jobs", {"prompt": "a"}, {"Prefer": "wait=300"}),
    "OpenAI's pictures": ("/v1/images/generations", {"prompt": "a"}, {}),
    "OpenAI's pictures, asked for again": (
        "/v1/images/generations",
        {"prompt": "a"},
        {"x-stainless-retry-count": "1"},
    ),
}


@pytest.mark.parametrize("name", WAITS)
def test_a_held_wait_ends_with_its_key(
    http: FlaskClient, client: Client, keys: KeyStore, key: tuple[ApiKey, Headers], name: str
) -> None:
    path, body, headers = WAITS[name]
    revoking = once_watched(client, lambda: keys.revoke(key[0].key_id))
    answer = http.post(path, json=body, headers={**key[1], **headers})
    revoking.join()
    assert answer.status_code == 401
    assert "revoked" in answer.text


def test_a_stream_of_events_ends_with_its_key(
    http: FlaskClient, client: Client, store: JobStore, keys: KeyStore, key: tuple[ApiKey, Headers]
) -> None:
    job = submitted(store)
    revoking = once_watched(client, lambda: keys.revoke(key[0].key_id))
    assert b"event: job.queued" in http.get(f"/v1/jobs/{job.job_id}/events", headers=key[1]).data
    revoking.join()


def test_a_stream_of_pictures_ends_with_its_key(
    http: FlaskClient, client: Client, keys: KeyStore, key: tuple[ApiKey, Headers]
) -> None:
    revoking = once_watched(client, lambda: keys.revoke(key[0].key_id))
    body = {"prompt": "a", "stream": True}
    assert http.post("/v1/images/generations", json=body, headers=key[1]).data.startswith(b": open")
    revoking.join()


def test_a_stream_of_a_batch_ends_with_its_key(house: Services, client: Client, keys: KeyStore) -> None:
    shop: Shop = a_shop(house, client)
    batch = shop.create(some_lines(3))
    made, text = keys.create(DEFAULT_TENANT, [Scope.READ])
    revoking = once_watched(client, lambda: keys.revoke(made.key_id))
    events = shop.http.get(f"/v1/batches/{batch['id']}/events", headers={"Authorization": f"Bearer {text}"})
    assert b"event: batch.progress" in events.data
    revoking.join()


def test_what_was_opened_without_a_key_ends_with_the_first_key(
    http: FlaskClient, client: Client, store: JobStore, keys: KeyStore
) -> None:
    job = submitted(store)
    creating = once_watched(client, lambda: keys.create(DEFAULT_TENANT, [Scope.READ]))
    assert b"event: job.queued" in http.get(f"/v1/jobs/{job.job_id}/events").data
    creating.join()


@pytest.fixture
def app(house: Services) -> Flask:
    return create_app(house)


def chunks(closed: list[bool]) -> Iterator[bytes]:
    try:
        yield from (b"one", b"two", b"three")
    finally:
        closed.append(True)


def test_a_download_is_cut_when_its_key_is_revoked(app: Flask, keys: KeyStore, key: tuple[ApiKey, Headers]) -> None:
    closed: list[bool] = []
    with app.test_request_context():
        g.caller = Caller(DEFAULT_TENANT, TenantLimits(), key[0])
        sent = iter(guard_stream(Response(chunks(closed), content_type="application/jsonl")).iter_encoded())
    assert next(sent) == b"one"
    keys.revoke(key[0].key_id)
    with pytest.raises(Unauthorized):
        next(sent)
    assert closed == [True]


def test_a_download_that_its_client_leaves_is_closed(app: Flask, key: tuple[ApiKey, Headers]) -> None:
    closed: list[bool] = []
    with app.test_request_context():
        g.caller = Caller(DEFAULT_TENANT, TenantLimits(), key[0])
        response = guard_stream(Response(chunks(closed), content_type="application/jsonl"))
        next(iter(response.iter_encoded()))
        response.close()
    assert closed == [True]


def test_an_outage_of_the_store_revokes_nothing(
    app: Flask, key: tuple[ApiKey, Headers], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> bool:
        raise StoreUnavailable("it is away")

    monkeypatch.setattr(KeyRing, "is_still_valid", away)
    with app.test_request_context():
        g.caller = Caller(DEFAULT_TENANT, TenantLimits(), key[0])
        response = guard_stream(Response(chunks([]), content_type="application/jsonl"))
        assert b"".join(response.iter_encoded()) == b"onetwothree"


def test_a_key_counts_until_it_is_revoked_and_costs_one_look_up_a_second(
    keys: KeyStore, key: tuple[ApiKey, Headers], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, real, now = [], keys.find, 0.0
    monkeypatch.setattr(keys, "find", lambda key_id: (looks.append(key_id), real(key_id))[1])
    ring = KeyRing(keys, clock=lambda: now)
    assert all(ring.is_still_valid(key[0]) for _ in range(1000))
    assert len(looks) == 1
    keys.revoke(key[0].key_id)
    now = 1.0
    assert not ring.is_still_valid(key[0])
