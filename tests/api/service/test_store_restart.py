"""The store is killed and comes back with its data while clients wait: nobody is forgotten, nobody is cut off."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest

from cli.stack.servers.valkey import Valkey
from shared.ids import DEFAULT_TENANT
from shared.settings.settings import Settings
from shared.store.core.connect import Client, connect
from shared.store.jobs.jobs import JobStore
from tests.api.connections import Held
from tests.api.processes import TIMEOUT_S, served
from tests.cli.waiting import eventually
from tests.shared.store.builders import submitted

NUM_EACH = 25  # streams, and as many requests that wait


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path)
    server.start()
    yield server
    server.stop()


def num_watched(client: Client) -> int:
    return len(client.pubsub_channels("gridpress:events:*"))


def killed_and_restarted(valkey: Valkey) -> None:
    os.kill(int((valkey.data_dir / "run" / "valkey-0.pid").read_text()), SIGKILL)
    valkey.stop()
    valkey.start()


async def until_the_ends(valkey: Valkey, port: int) -> list[object]:
    """What every client saw last: the ids of the ended streams, and the statuses that were waited for."""
    client = connect(valkey.url)
    store = JobStore(client)
    jobs = [submitted(store).job_id for _ in range(NUM_EACH)]
    streams = await asyncio.gather(*(Held.stream(port, job_id) for job_id in jobs))
    waits = await asyncio.gather(*(Held.wait(port, {"prompt": "a"}, TIMEOUT_S) for _ in range(NUM_EACH)))
    await asyncio.to_thread(eventually, lambda: num_watched(client) == 2 * NUM_EACH)
    killed_and_restarted(valkey)
    for job in store.jobs(DEFAULT_TENANT, limit=2 * NUM_EACH, after=None):
        store.cancel(job.job_id, DEFAULT_TENANT)
    ended = await asyncio.gather(*(stream.last_event(job) for job, stream in zip(jobs, streams, strict=True)))
    assert [end.job_id for end in ended] == jobs
    return [job["status"] for _, job in await asyncio.gather(*(wait.answer() for wait in waits))]


def test_all_who_wait_over_a_restart_of_the_store_get_their_end(valkey: Valkey, s3_settings: Settings) -> None:
    with served(s3_settings, valkey.url) as api:
        statuses = asyncio.run(asyncio.wait_for(until_the_ends(valkey, api.port), TIMEOUT_S))
    assert statuses == ["cancelled"] * NUM_EACH
