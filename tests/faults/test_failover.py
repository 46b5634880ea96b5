"""The store's primary dies and sentinels name another: what was acknowledged is there, and every role goes on."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import StoreUnavailable
from shared.ids import DEFAULT_TENANT, JobId, new_job_id
from shared.jobs.spec import JobSpec, RenderSettings
from shared.jobs.states import Stage
from shared.settings.settings import Settings
from shared.store.core.connect import connect
from shared.store.core.scripts import Replicas
from shared.store.jobs.jobs import JobStore
from tests.faults.fleet import LEASE_TTL_S, Fleet
from tests.faults.sentinels import Watched, watched

pytestmark = pytest.mark.attack

SPEC = JobSpec(settings=RenderSettings(prompt="a kite", width_px=256, height_px=256), n=1, seed=7)
NUM_CLIENTS, NUM_LATER = 4, 20


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Watched]:
    with watched(tmp_path) as found:
        yield found


class Clients:
    """Threads that submit jobs without a pause, and keep what was acknowledged."""

    def __init__(self, store: JobStore) -> None:
        self.acknowledged: list[JobId] = []
        self._store = store
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._submit) for _ in range(NUM_CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _submit(self) -> None:
        while not self._is_over.is_set():
            job_id = new_job_id()
            try:
                self._store.submit(job_id, SPEC)
            except StoreUnavailable:
                self._is_over.wait(0.05)
            else:
                self.acknowledged.append(job_id)

    def stop(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()


def test_a_failover_under_load_loses_nothing_that_was_acknowledged(
    sentinels: Watched, s3_settings: Settings, tmp_path: Path
) -> None:
    settings = s3_settings.model_copy(update={"redis_url": sentinels.url, "lease_ttl_s": LEASE_TTL_S})
    with connect(sentinels.url) as client:
        fleet, store = Fleet(settings, client, tmp_path), JobStore(client, Replicas(1, 1.0))
        try:
            workers = [fleet.start(stage) for stage in (Stage.AR, Stage.DIT)]
            before = sentinels.primary_port()
            clients = Clients(store)
            try:
                fleet.wait_until(lambda: len(clients.acknowledged) > NUM_LATER)
                sentinels.kill_primary()
                fleet.wait_until(lambda: sentinels.primary_port() != before)
                num_before = len(clients.acknowledged)
                fleet.wait_until(lambda: len(clients.acknowledged) > num_before + NUM_LATER)
            finally:
                clients.stop()
            fleet.wait_until(lambda: all(_is_made(store, job_id) for job_id in clients.acknowledged))
            assert all(worker.is_running for worker in workers)
        finally:
            fleet.stop()


def _is_made(store: JobStore, job_id: JobId) -> bool:
    """Raises `JobNotFound` for a job that was lost."""
    return store.job(job_id, DEFAULT_TENANT).status == "succeeded"
