"""Lines whose pictures take long to come: nobody else gets the batch meanwhile, and no other batch has to wait."""

import io
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

import pytest
from PIL import Image

from api.services import Services
from shared.egress.images import Fetched, ImageFetcher
from shared.errors import ServiceBusy
from shared.images.decoders import Decoders
from shared.process.background import num_faults
from shared.store.batch_work.work import BatchLease, BatchRules, BatchWork
from shared.store.core.connect import Client
from tests.workers.batches.shop import Json, Shop, a_line, jsonl
from workers.batches import release

RULES = BatchRules(lease_ttl_s=0.3, spare=100, job_stay_s=3600, retention_s=3600)
TIMEOUT_S = 20
URL = "https://a.example/kite.png"


def a_picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (512, 512)).save(file, "PNG")
    return file.getvalue()


def fetching(monkeypatch: pytest.MonkeyPatch, before: Callable[[], None]) -> list[int]:
    """Answers every URL once `before` has returned; notes how many URLs there were."""
    fetched: list[int] = []

    def fetch(_: ImageFetcher, urls: dict[str, str]) -> Sequence[Fetched]:
        if urls:
            before()
            fetched.append(len(urls))
        return [Fetched(a_picture(), may_show_details=True) for _ in urls]

    monkeypatch.setattr(ImageFetcher, "fetch", fetch)
    return fetched


def edits(count: int) -> bytes:
    return jsonl([a_line(number, images=[URL]) for number in range(count)])


def test_a_batch_stays_its_workers_however_long_pictures_take(
    shop: Shop, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver answers once the lease was prolonged for longer than it lasts."""
    renewed, claims, real = Event(), list[BatchLease | None](), BatchWork.renew
    num_renewed = 0

    def renew(work: BatchWork, lease: BatchLease) -> None:
        nonlocal num_renewed
        real(work, lease)
        num_renewed += 1
        if num_renewed > 12:
            renewed.set()

    def answer() -> None:
        assert renewed.wait(TIMEOUT_S), "nobody renews the lease"
        claims.append(BatchWork(client, RULES).claim())

    work = BatchWork(client, RULES)
    object.__setattr__(shop.service.tools, "work", work)
    monkeypatch.setattr(BatchWork, "renew", renew)
    fetching(monkeypatch, answer)
    batch = shop.create(edits(1))
    assert shop.service.work_one()
    assert claims == [None]
    assert shop.batch(batch)["num_released"] == 1


def test_a_step_that_took_long_begins_no_further_lines_and_loses_none(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "_FETCHERS", 2)
    monkeypatch.setattr(release, "_FETCHING_S", -1)
    fetched = fetching(monkeypatch, lambda: None)
    batch = shop.create(edits(5))
    released: list[int] = []
    while shop.service.work_one():
        released.append(shop.batch(batch)["num_released"])
    assert released == [2, 4, 5]
    assert sum(fetched) == 5
    assert shop.run(batch)["request_counts"]["completed"] == 5


def test_a_picture_that_cannot_be_had_fails_its_line_alone(house: Services, shop: Shop) -> None:
    lines: list[Json] = [a_line(0, images=["https://127.0.0.1:1/none.png"]), a_line(1)]
    batch = shop.run(shop.create(jsonl(lines)))
    assert (batch["status"], batch["request_counts"]) == ("completed", {"total": 2, "completed": 1, "failed": 1})
    [line] = shop.lines_of(batch["error_file_id"])
    assert line["response"]["body"]["error"]["param"] == "images[0]"


@pytest.mark.attack
def test_lines_whose_pictures_nobody_had_time_for_wait_and_the_others_go_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many pictures of one tenant wait for one child process, and give up after a while."""
    num_left, real = 4, Decoders.normalise

    def normalise(decoders: Decoders, *args: Any) -> bytes:
        nonlocal num_left
        num_left -= 1
        if 0 <= num_left < 2:
            raise ServiceBusy("the service has many pictures to look at; try again")
        return real(decoders, *args)

    monkeypatch.setattr(release, "_FETCHERS", 1)
    monkeypatch.setattr(Decoders, "normalise", normalise)
    fetching(monkeypatch, lambda: None)
    batch, faults = shop.create(edits(3)), num_faults()
    assert shop.service.work_one()
    assert shop.batch(batch)["num_released"] == 2
    assert shop.run(batch)["request_counts"]["completed"] == 3
    assert num_faults() == faults
