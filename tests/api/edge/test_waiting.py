"""Requests that wait for the end of a job, in the app itself; `test_held` has hundreds at a server."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from flask import Flask

from api.app import create_app
from api.responses import waiting
from api.responses.waiting import client_has_left, until_final
from api.services import Services
from shared.errors import JobNotFound, StoreUnavailable
from shared.ids import DEFAULT_TENANT, JobId
from shared.jobs.states import JobStatus
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from tests.cli.waiting import eventually
from tests.shared.store.builders import submitted

LONG_S = 10_000.0  # a test that waits for it never ends


@pytest.fixture
def app(house: Services) -> Flask:
    return create_app(house)


@contextmanager
def meanwhile(client: Client, act: object) -> Iterator[None]:
    """Acts once somebody waits."""

    def run() -> None:
        eventually(lambda: len(client.pubsub_channels("gridpress:events:*")) == 1)
        act()  # type: ignore[operator]

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()


def test_a_job_that_ends_is_answered_as_it_ended(app: Flask, store: JobStore, client: Client) -> None:
    job = submitted(store)
    cancel = lambda: store.cancel(job.job_id, DEFAULT_TENANT)  # noqa: E731
    with app.test_request_context(), meanwhile(client, cancel):
        assert until_final(job, LONG_S).status is JobStatus.CANCELLED


def test_a_job_that_has_ended_is_not_waited_for(app: Flask, store: JobStore) -> None:
    job = submitted(store)
    store.cancel(job.job_id, DEFAULT_TENANT)
    with app.test_request_context():  # `job` is older than its end
        assert until_final(job, LONG_S).status is JobStatus.CANCELLED


def test_when_the_time_is_over_the_job_is_answered_as_it_is(app: Flask, store: JobStore) -> None:
    with app.test_request_context():
        assert until_final(submitted(store), 0.05).status is JobStatus.QUEUED


def test_a_stopping_server_answers_at_once(app: Flask, house: Services, store: JobStore, client: Client) -> None:
    with app.test_request_context(), meanwhile(client, house.stop):
        assert until_final(submitted(store), LONG_S).status is JobStatus.QUEUED


def test_a_job_that_is_deleted_meanwhile_is_not_found(app: Flask, store: JobStore, client: Client) -> None:
    job = submitted(store)

    def delete() -> None:
        client.delete(f"gridpress:job:{job.job_id}")
        client.publish(f"gridpress:events:{job.job_id}", "")

    with app.test_request_context(), meanwhile(client, delete), pytest.raises(JobNotFound):
        until_final(job, LONG_S)


class FlickeringStore:
    """Away for so many looks."""

    def __init__(self, real: JobStore, outages: int) -> None:
        self.real = real
        self.outages = outages

    def status(self, job_id: JobId) -> JobStatus:
        self.outages -= 1
        if self.outages >= 0:
            raise StoreUnavailable("gone")
        return self.real.status(job_id)

    def job(self, *args: object) -> object:
        return self.real.job(*args)  # type: ignore[arg-type]


def test_an_outage_that_passes_is_sat_out(house: Services, store: JobStore) -> None:
    job = submitted(store)
    store.cancel(job.job_id, DEFAULT_TENANT)
    flickering = FlickeringStore(store, outages=1)
    with create_app(replace(house, store=flickering)).test_request_context():  # told once, when the watch begins
        assert until_final(job, LONG_S).status is JobStatus.CANCELLED
    assert flickering.outages < 0


def test_a_client_that_left_is_waited_for_no_longer(
    app: Flask, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_TICK_S", 0.01)
    ours, theirs = socket.socketpair()
    with ours, app.test_request_context(environ_overrides={waiting.SOCKET: ours}):
        assert not client_has_left()
        theirs.sendall(b"GET /next HTTP/1.1")
        assert not client_has_left()
        assert ours.recv(100) == b"GET /next HTTP/1.1"  # it only looked
        theirs.close()
        assert until_final(submitted(store), LONG_S).status is JobStatus.QUEUED
        assert client_has_left()


def test_where_no_server_leaves_a_connection_nobody_leaves(app: Flask) -> None:
    with app.test_request_context():
        assert not client_has_left()
