"""A batch worker that dies right after any of its writes: nothing is done twice, nothing is lost."""

from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from shared.batches.batch import BatchId, is_line_of
from shared.objects.store import ObjectStore
from shared.objects.writer import ObjectWriter
from shared.store.batch_work.work import BatchWork
from shared.store.core.scripts import Scripts
from shared.store.jobs.jobs import JobStore
from tests.workers.batches.shop import Json, Shop, a_line, jsonl

ENDS = ("failed", "completed", "expired", "cancelled")
NUM_LINES = 5  # each line adds writes to die after, and each of those takes a batch of its own
LINES = jsonl([a_line(0), a_line(1), a_line(2, size="1x1"), *map(a_line, range(3, NUM_LINES))])
WRITES = [(ObjectStore, "put"), (ObjectStore, "copy"), (ObjectWriter, "_finish"), (JobStore, "submit_lines")]


class Crash(Exception):
    """The worker died."""


class Dying:
    """Dies once, after its write number `at`, from 0; only while the worker is at work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = self.count = 0
        self.is_working = False
        for owner, name in (*WRITES, (Scripts, "run")):
            monkeypatch.setattr(owner, name, self._wrapped(getattr(owner, name)))

    def lives_until(self, at: int) -> None:
        self.at, self.count = at, 0

    @property
    def has_died(self) -> bool:
        return self.count > self.at

    def _wrapped(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            answer = write(*args, **options)
            if self.is_working:
                self.count += 1
                if self.count - 1 == self.at:
                    raise Crash
            return answer

        return run


def lived(shop: Shop, dying: Dying, change: Callable[[Json], object]) -> Json:
    """A batch from its creation to its end, through the crash."""
    batch = shop.create(LINES)
    is_changed = False
    for _ in range(60):
        shop.stir()
        dying.is_working = True
        try:
            shop.work()
        except Crash:
            continue
        finally:
            dying.is_working = False
        if not is_changed:
            change(batch)
            is_changed = True
            continue
        found = shop.batch(batch)
        if found["status"] in ENDS:
            return found
        shop.render(2)
    raise AssertionError("it does not end")


def audit(shop: Shop, batch: Json) -> None:
    """Every line has one result, in one of the two files, and one job at most."""
    output, errors = shop.lines_of(batch["output_file_id"]), shop.lines_of(batch["error_file_id"])
    told = Counter(line["custom_id"] for line in (*output, *errors))
    assert told == dict.fromkeys((f"line-{number}" for number in range(NUM_LINES)), 1)
    assert batch["request_counts"] == {"total": NUM_LINES, "completed": len(output), "failed": len(errors)}
    assert batch["num_released"] == 0
    assert Counter(line["custom_id"] for line in shop.results(batch)) == told
    jobs = [line["job_id"] for line in (*output, *errors) if line["job_id"]]
    batch_id = BatchId(batch["id"])
    assert sorted(jobs) == sorted(job for job in all_jobs(shop) if is_line_of(job, batch_id))
    assert shop.client.zcard("gridpress:batch_work") == 0


def all_jobs(shop: Shop) -> list[str]:
    return [str(key).removeprefix("gridpress:job:") for key in shop.client.keys("gridpress:job:*")]


def test_a_crash_after_any_write_changes_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    dying = Dying(monkeypatch)
    for at in count():
        dying.lives_until(at)
        batch = lived(shop, dying, lambda _: None)
        assert (batch["status"], batch["request_counts"]["completed"]) == ("completed", NUM_LINES - 1)
        audit(shop, batch)
        if not dying.has_died:
            break
    assert at > 10


def test_a_cancelled_batch_accounts_for_every_line_whatever_crashes(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = Dying(monkeypatch)
    for at in count(step=2):
        dying.lives_until(at)
        batch = lived(shop, dying, lambda batch: shop.do(batch, "cancel"))
        assert batch["status"] == "cancelled"
        audit(shop, batch)
        if not dying.has_died:
            break
    assert at > 10


def test_files_that_a_retry_makes_worthless_go_with_its_end(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.fails = lambda claim: claim.settings.prompt == "picture 1"
    batch = shop.run(shop.create(LINES))
    former = [batch["output_file_id"], batch["error_file_id"]]
    shop.do(batch, "retry")
    finish = BatchWork.finish

    def dies_after_it(*args: Any) -> None:
        finish(*args)
        raise Crash

    monkeypatch.setattr(BatchWork, "finish", dies_after_it)
    with pytest.raises(Crash):
        shop.run(batch)
    found = shop.batch(batch)
    assert found["status"] == "completed"
    assert {shop.http.get(f"/v1/files/{file}").status_code for file in former} == {404}
    assert len(shop.lines_of(found["output_file_id"])) + len(shop.lines_of(found["error_file_id"])) == NUM_LINES
