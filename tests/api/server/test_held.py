"""Hundreds of clients that wait at two processes; the benchmark `benchmarks.api.held` has a thousand."""

import asyncio
import signal
from collections.abc import Awaitable, Iterator, Sequence
from typing import TypeVar

import pytest

from cli.stack.servers.seaweedfs import S3Endpoint
from shared.ids import DEFAULT_TENANT
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from tests.api.connections import Held
from tests.api.processes import TIMEOUT_S, Served, served
from tests.api.server.test_server import settings_of
from tests.cli.waiting import eventually
from tests.shared.store.builders import submitted

NUM_PROCESSES = 2
NUM_EACH = 100  # streams, and as many requests that wait

Result = TypeVar("Result")


@pytest.fixture(scope="module")
def api(s3: S3Endpoint, empty_valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """For all tests: only the last one ends it."""
    settings = settings_of(s3, tmp_path_factory.mktemp("api"))
    with served(settings, empty_valkey_url, API_PROCESSES=NUM_PROCESSES) as api:
        yield api


async def all_of(awaitables: Sequence[Awaitable[Result]]) -> list[Result]:
    return await asyncio.wait_for(asyncio.gather(*awaitables), TIMEOUT_S)


def live_jobs(store: JobStore) -> list[str]:
    return [job.job_id for job in store.jobs(DEFAULT_TENANT, limit=10 * NUM_EACH, after=None)]


def num_watched(client: Client) -> int:
    return len(client.pubsub_channels("gridpress:events:*"))


class Crowd:
    """Streams of their jobs, and requests that wait for theirs."""

    def __init__(self, api: Served, store: JobStore) -> None:
        self.api = api
        self.store = store

    async def hold(self) -> None:
        jobs = [submitted(self.store).job_id for _ in range(NUM_EACH)]
        self.streams = dict(zip(jobs, await all_of([Held.stream(self.api.port, job) for job in jobs]), strict=True))
        body = {"prompt": "a red kite"}
        self.waits = await all_of([Held.wait(self.api.port, body, TIMEOUT_S) for _ in range(NUM_EACH)])

    async def all_watched(self, client: Client) -> None:
        """Every job is watched, over one subscription of each process."""
        await asyncio.to_thread(eventually, lambda: num_watched(client) == 2 * NUM_EACH)
        assert 1 <= len(client.client_list(_type="pubsub")) <= NUM_PROCESSES

    def end_all(self) -> None:
        for job_id in live_jobs(self.store):
            self.store.cancel(job_id, DEFAULT_TENANT)

    async def see_the_ends(self) -> None:
        ends = await all_of([stream.last_event(job) for job, stream in self.streams.items()])
        assert {end.job_id for end in ends} == set(self.streams)
        answers = await all_of([wait.answer() for wait in self.waits])
        assert [job["status"] for _, job in answers] == ["cancelled"] * NUM_EACH


def test_all_are_held_by_one_subscription_each_answered_and_others_meanwhile(
    api: Served, store: JobStore, client: Client
) -> None:
    async def story() -> None:
        crowd = Crowd(api, store)
        await crowd.hold()
        await crowd.all_watched(client)
        with api.client() as http:
            assert (await asyncio.to_thread(http.get, "/readyz")).status_code == 200
        await asyncio.gather(asyncio.to_thread(crowd.end_all), crowd.see_the_ends())

    asyncio.run(story())
    eventually(lambda: num_watched(client) == 0)


def test_clients_that_leave_free_everything(api: Served, store: JobStore, client: Client) -> None:
    async def story() -> None:
        crowd = Crowd(api, store)
        await crowd.hold()
        await crowd.all_watched(client)
        for held in (*crowd.streams.values(), *crowd.waits):
            held.close()

    asyncio.run(story())
    eventually(lambda: num_watched(client) == 0)
    assert {store.status(job_id) for job_id in live_jobs(store)} == {"queued"}  # a client's leaving ends no job


def test_a_lost_subscription_loses_nobody(api: Served, store: JobStore, client: Client) -> None:
    async def story() -> None:
        crowd = Crowd(api, store)
        await crowd.hold()
        await crowd.all_watched(client)
        client.client_kill_filter(_type="normal", skipme=True)
        client.client_kill_filter(_type="pubsub")
        await asyncio.gather(asyncio.to_thread(crowd.end_all), crowd.see_the_ends())

    asyncio.run(story())


def test_a_stopping_server_tells_all_of_them(api: Served, store: JobStore, client: Client) -> None:
    async def story() -> None:
        crowd = Crowd(api, store)
        await crowd.hold()
        await crowd.all_watched(client)
        api.process.send_signal(signal.SIGTERM)
        for text in await all_of([stream.everything() for stream in crowd.streams.values()]):
            assert b"event: server.stopping\n" in text
        answers = await all_of([wait.answer() for wait in crowd.waits])
        assert [job["status"] for _, job in answers] == ["queued"] * NUM_EACH

    asyncio.run(story())
    assert api.process.wait(TIMEOUT_S) == 0
