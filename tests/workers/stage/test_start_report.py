"""How far the start of a worker is: in a file, in the store, in the log; and nothing of it once the worker is ready."""

import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.ids import WorkerId
from shared.jobs.states import Stage
from shared.process.ready_file import start_file, withdraw
from shared.schedule.starting_worker import StartingWorker, StartPhase
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from shared.store.queues.starts import StartStore
from workers.stage.start_report import ByteRate, StartReport

LOADING = StartingWorker(Stage.DIT, StartPhase.LOADING, 5_100_000_000, 14_900_000_000, 1_200_000_000.0)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    clock = Clock()
    rate = ByteRate(clock)
    assert rate.per_s() == 0
    for num_bytes in (*[100] * 20, *[0] * 20):
        clock.now_s += 1
        rate.add(num_bytes)
        last = rate.per_s()
        assert last == 100 or num_bytes == 0
    assert (rate.num_bytes, last) == (2000, 0)


@pytest.mark.parametrize(
    ("worker", "words", "left_s"),
    [
        (LOADING, "loading weights: 34 %, 5.1 of 14.9 GB, 1.20 GB/s, 8 s left", 8),
        (StartingWorker(Stage.AR, StartPhase.LOADING, 0, 10**9), "loading weights: 0 %, 0.0 of 1.0 GB", None),
        (StartingWorker(Stage.AR, StartPhase.DOWNLOADING, 2 * 10**9, 10**9, 1.0),
         "downloading the model: 100 %, 2.0 of 1.0 GB, 0.00 GB/s, 0 s left", 0),
        (StartingWorker(Stage.DIT, StartPhase.WARMING_UP), "warming up", None),
    ],
)  # fmt: skip
def test_progress_is_said_in_words(worker: StartingWorker, words: str, left_s: int | None) -> None:
    assert worker.words == words
    assert (None if worker.left_s is None else round(worker.left_s)) == left_s
    assert StartingWorker.of_json(worker.to_json()) == worker


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"stage": "dit", "phase": "dreaming"})])
def test_what_is_no_progress_is_none(text: str) -> None:
    assert StartingWorker.of_json(text) is None


def test_a_phase_shows_its_progress_until_it_ends(client: Client, valkey_url: str, tmp_path: Path) -> None:
    ready = tmp_path / "dit-0.ready"
    start = StartReport(Stage.DIT, Settings(redis_url=valkey_url, ready_file=ready), every_s=0.01)
    starts, shown = StartStore(client), None
    with capture_logs() as logs, start.phase(StartPhase.LOADING, 1000) as on_bytes:
        on_bytes(400)
        while not (shown := starts.starting()) or not shown[0].done_bytes:
            pass
        assert (shown[0].stage, shown[0].percent) == (Stage.DIT, 40)
        kept = StartingWorker.of_json(start_file(ready).read_text())
        assert kept
        assert (kept.phase, kept.total_bytes) == (StartPhase.LOADING, 1000)
    assert (starts.starting(), start_file(ready).exists()) == ([], False)
    assert [log["bytes"] for log in logs if log["event"] == "start.phase_ended"] == [400]


def test_a_phase_that_fails_is_not_shown_any_more(client: Client, valkey_url: str) -> None:
    start = StartReport(Stage.AR, Settings(redis_url=valkey_url), every_s=0.01)

    def fail() -> None:
        with start.phase(StartPhase.LOADING, 1000):
            while not StartStore(client).starting():
                pass
            raise MemoryError

    with pytest.raises(MemoryError):
        fail()
    assert StartStore(client).starting() == []


def test_neither_a_store_nor_a_folder_that_is_away_holds_up_a_start(tmp_path: Path) -> None:
    settings = Settings(redis_url="redis://127.0.0.1:1/0", ready_file=tmp_path / "nowhere" / "dit-0.ready")
    with StartReport(Stage.DIT, settings, every_s=0.001).phase(StartPhase.WARMING_UP) as on_bytes:
        on_bytes(1)


def test_workers_that_say_nothing_any_more_are_left_out(client: Client) -> None:
    starts = StartStore(client)
    for name, worker in (("a", LOADING), ("b", StartingWorker(Stage.AR, StartPhase.WARMING_UP))):
        starts.report(WorkerId(name), worker)
    assert [each.stage for each in starts.starting()] == [Stage.AR, Stage.DIT]
    client.hset("gridpress:starting", "a", f"1|{LOADING.to_json()}")
    client.hset("gridpress:starting", "c", "of another release")
    assert [each.stage for each in starts.starting()] == [Stage.AR]
    assert 0 < client.pttl("gridpress:starting") <= 60_000


def test_a_new_process_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    ready = tmp_path / "ar-0.ready"
    start_file(ready).write_text(LOADING.to_json())
    withdraw(ready)
    assert not start_file(ready).exists()
