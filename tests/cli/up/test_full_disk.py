"""The store's disk fills up: what was accepted stays, everybody is told, and the service goes on once there is room."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from shared.errors import StoreUnavailable
from shared.ids import DEFAULT_TENANT, JobId, new_job_id
from shared.store.core.connect import connect
from shared.store.jobs.jobs import JobStore
from tests.cli.stack.test_stack import Stack, Start, start
from tests.cli.waiting import eventually
from tests.shared.store.builders import a_spec

__all__ = ["start"]


@contextmanager
def no_file_longer_than(num_bytes: int, *pids: int) -> Iterator[None]:
    """For these processes and what they start. A full disk says the same, in other words (EFBIG for ENOSPC)."""
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (num_bytes, hard))
    yield
    for pid, limits in before.items():
        with suppress(ProcessLookupError):  # it died of the limit, as it should
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def log_bytes(stack: Stack) -> int:
    return max(path.stat().st_size for path in stack.run_dir.parent.glob("valkey/appendonlydir/*.aof"))


def url_of(stack: Stack) -> str:
    words = dict(line.split(" ", 1) for line in (stack.run_dir.parent / "valkey/valkey.conf").read_text().splitlines())
    return f"redis://:{words['requirepass']}@{words['bind']}:{words['port']}/0"


def submit_until_refused(store: JobStore) -> list[JobId]:
    accepted: list[JobId] = []
    try:
        while True:
            job_id = new_job_id()
            store.submit(job_id, a_spec())
            accepted.append(job_id)
    except StoreUnavailable:
        return accepted


def takes_work(store: JobStore) -> bool:
    try:
        store.submit(new_job_id(), a_spec())
    except StoreUnavailable:
        return False
    return True


def test_a_full_disk_costs_no_accepted_job(start: Start) -> None:
    stack = start()
    stack.wait_until_ready()
    client = connect(url_of(stack))
    store = JobStore(client)
    store.submit(new_job_id(), a_spec())
    with no_file_longer_than(log_bytes(stack) + 20_000, stack.pid("valkey-0"), stack.process.pid):
        accepted = submit_until_refused(store)
        assert accepted
        eventually(lambda: "valkey-0 ended (exit status 1: the disk is full" in stack.said.read_text())
        with pytest.raises(StoreUnavailable):
            store.submit(new_job_id(), a_spec())
    eventually(lambda: "valkey-0 is back" in stack.said.read_text())
    eventually(lambda: takes_work(store))
    assert all(store.job(job_id, DEFAULT_TENANT) for job_id in accepted)
    client.close()
