"""Whose end the supervisor saw is told to the store, which may be away, and never holds the supervisor up."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cli.stack.processes.dead_workers import DeadWorkerReporter
from cli.stack.processes.supervised_role import Died, Ready
from shared.errors import StoreUnavailable
from shared.ids import WorkerId

LONG_S = 60.0


class Store:
    """Does not answer the first `num_refusals` times."""

    def __init__(self, num_refusals: int = 0) -> None:
        self.told: list[WorkerId] = []
        self.has_heard = threading.Event()
        self.was_asked = threading.Event()
        self._num_refusals = num_refusals

    def take_back(self, worker_id: WorkerId) -> None:
        self.was_asked.set()
        if self._num_refusals:
            self._num_refusals -= 1
            raise StoreUnavailable("away")
        self.told.append(worker_id)
        self.has_heard.set()


def died(role: str) -> Died:
    return Died(role, -9, was_ready=True, retry_in_s=0.2, last_lines=[], num_in_a_row=1)


def announce(run_dir: Path, role: str, worker_id: str) -> Ready:
    (run_dir / f"{role}.ready").write_text(worker_id)
    return Ready(role)


@pytest.mark.parametrize("num_refusals", [0, 2])
def test_a_worker_that_died_is_named_by_what_it_announced_once_the_store_answers(
    tmp_path: Path, num_refusals: int
) -> None:
    store = Store(num_refusals)
    with DeadWorkerReporter(tmp_path, store.take_back) as obituaries:
        obituaries.on_event(announce(tmp_path, "ar-0", "ar-host-7-1a2b"))
        (tmp_path / "ar-0.ready").unlink()  # gone before anybody hears of its end
        obituaries.on_event(died("ar-0"))
        assert store.has_heard.wait(LONG_S)
    assert store.told == ["ar-host-7-1a2b"]


def test_what_cannot_be_told_holds_up_no_end(tmp_path: Path) -> None:
    store = Store(num_refusals=1_000_000)
    with DeadWorkerReporter(tmp_path, store.take_back) as obituaries:
        obituaries.on_event(announce(tmp_path, "ar-0", "ar-host-7-1a2b"))
        obituaries.on_event(died("ar-0"))
        assert store.was_asked.wait(LONG_S)
    assert store.told == []


@pytest.mark.parametrize("content", [None, ""])
def test_a_process_that_holds_no_leases_is_not_mentioned(tmp_path: Path, content: str | None) -> None:
    store = Store()
    with DeadWorkerReporter(tmp_path, store.take_back) as obituaries:
        obituaries.on_event(Ready("api-0") if content is None else announce(tmp_path, "api-0", content))
        obituaries.on_event(died("api-0"))
        obituaries.on_event(announce(tmp_path, "ar-0", "ar-host-7-1a2b"))
        obituaries.on_event(died("ar-0"))
        assert store.has_heard.wait(LONG_S)
    assert store.told == ["ar-host-7-1a2b"]


def test_one_that_ended_before_it_was_ready_held_nothing(tmp_path: Path) -> None:
    store = Store()
    with DeadWorkerReporter(tmp_path, store.take_back) as obituaries:
        obituaries.on_event(announce(tmp_path, "ar-0", "first"))
        obituaries.on_event(died("ar-0"))
        obituaries.on_event(died("ar-0"))
        assert store.has_heard.wait(LONG_S)
    assert store.told == ["first"]


def test_a_supervisor_that_was_killed_left_the_names_of_its_workers(tmp_path: Path) -> None:
    announce(tmp_path, "ar-0", "of-a-dead-process")
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    (tmp_path / "ar-0.pid").write_text(f"{process.pid}\n")
    announce(tmp_path, "ar-1", "of-one-that-lives")
    (tmp_path / "ar-1.pid").write_text(f"{os.getpid()}\n")
    store = Store()
    with DeadWorkerReporter(tmp_path, store.take_back):
        assert store.has_heard.wait(LONG_S)
    assert store.told == ["of-a-dead-process"]
