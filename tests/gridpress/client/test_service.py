"""Both clients against the real API, with real stores. A thread of the test does the work of the workers."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from api.services import Services
from gridpress.client import (
    Conflict,
    InvalidRequest,
    InvalidSignature,
    JobNotSucceeded,
    JobRequest,
    NotFound,
    StillRunning,
)
from shared.ids import DEFAULT_TENANT, ObjectKey
from shared.store.core.connect import Client as Store
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from tests.api.conftest import SECRET
from tests.api.jobs.test_rerender import with_grid
from tests.api.rendering import render_next
from tests.gridpress.client.blocking import Faulty
from tests.gridpress.client.conftest import Make
from tests.shared.store.builders import RULES, submitted

PICTURE = b"the bytes of a picture"
LONG_S = 300.0


@pytest.fixture
def ours(connect: Make, url: str) -> Any:
    return connect(url)


@contextmanager
def meanwhile(act: Callable[[], bool]) -> Iterator[None]:
    """Acts in a thread, again and again until it returns true."""
    is_over = threading.Event()

    def run() -> None:
        while not is_over.wait(0.02) and not act():
            pass

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


class Lost:
    """Loses the responses to the first requests, after the service has acted on them."""

    def __init__(self, num: int) -> None:
        self.left = num

    def __call__(self, request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if self.left:
            self.left -= 1
            raise httpx.ReadError("the connection was reset", request=request)
        return response


def test_a_prompt_becomes_a_picture(ours: Any, house: Services, client: Store, store: JobStore, tmp_path: Path) -> None:
    leases = LeaseStore(client, RULES)

    def work() -> bool:
        if store.jobs(DEFAULT_TENANT, limit=1, after=None):
            render_next(house, leases, PICTURE)
            return True
        return False

    with meanwhile(work):
        [picture] = ours.render('a red poster that says "OPEN"', size="256x256", seed=7, timeout_s=LONG_S)
    assert (picture.data, picture.seed, picture.index) == (PICTURE, 7, 0)
    assert (picture.width, picture.height, picture.content_type) == (256, 256, "image/png")
    assert picture.save(tmp_path).name == f"{picture.job_id}-0.png"
    assert picture.save(tmp_path / "open.png").read_bytes() == PICTURE


def test_a_job_that_gives_no_picture_is_an_error_with_the_job(ours: Any, store: JobStore) -> None:
    def cancel() -> bool:
        found = store.jobs(DEFAULT_TENANT, limit=1, after=None)
        return bool(found) and store.cancel(found[0].job_id, DEFAULT_TENANT).status.is_final

    with meanwhile(cancel), pytest.raises(JobNotSucceeded) as raised:
        ours.render("a hare", size="256x256", timeout_s=LONG_S)
    assert (raised.value.job.prompt, raised.value.job.status) == ("a hare", "cancelled")


def test_a_wait_that_is_over_leaves_the_job_as_it_is(ours: Any) -> None:
    job = ours.submit("a fox", size="256x256")
    with pytest.raises(TimeoutError) as raised:
        ours.wait(job.id, timeout_s=0)
    assert isinstance(raised.value, StillRunning)
    assert raised.value.state.id == job.id
    assert ours.job(job.id).status == "queued"


def test_a_request_is_sent_as_it_was_meant(ours: Any) -> None:
    deadline = datetime(2090, 1, 1, tzinfo=UTC)
    request = JobRequest(prompt="a fox", size="512*256", n=2)
    job = ours.submit(request, seed=3, deadline=deadline, metadata={"shop": "1"}, output_format="webp")
    assert (job.prompt, job.width, job.height, job.n, job.seed) == ("a fox", 512, 256, 2, 3)
    assert (job.deadline, job.metadata, job.output_format) == (deadline, {"shop": "1"}, "webp")


def test_condition_images_are_files_bytes_or_ids(ours: Any) -> None:
    path = Path("examples/circle.png")
    file = ours.files.upload(path)
    job = ours.submit("make it green", images=[path, path.read_bytes(), file.id], size="256x256")
    assert job.num_condition_images == 3


def test_an_invalid_request_is_refused_with_its_fields(ours: Any) -> None:
    with pytest.raises(InvalidRequest) as raised:
        ours.submit("a fox", size="big", steps=3)
    error = raised.value
    assert (error.status, error.code) == (400, "invalid_request")
    assert {field.field for field in error.fields} == {"size", "steps"}
    assert str(error) == error.fields[0].message
    assert error.request_id


def test_jobs_are_listed_page_by_page(ours: Any) -> None:
    ids = [ours.submit("a fox", size="256x256", metadata={"part": str(i % 2)}).id for i in range(5)]
    assert [job.id for job in ours.jobs(limit=2)] == ids[::-1]
    assert [job.id for job in ours.jobs(metadata={"part": "1"}, order="asc")] == ids[1::2]
    assert list(ours.jobs(status="failed")) == []


def test_a_lost_response_makes_no_second_job(connect: Make, url: str, pauses: list[float]) -> None:
    careful = connect(url, transport=Faulty(Lost(1)))
    job = careful.submit("a fox", size="256x256")
    assert [each.id for each in careful.jobs()] == [job.id]
    assert len(pauses) == 1
    assert careful.submit("a hare", size="256x256", idempotency_key="k").id == (
        careful.submit("a hare", size="256x256", idempotency_key="k").id
    )


def test_a_job_is_cancelled_retried_and_deleted(ours: Any) -> None:
    job = ours.submit("a fox", size="256x256")
    with pytest.raises(Conflict):
        ours.delete(job.id)
    assert ours.cancel(job.id).status == "cancelled"
    assert ours.wait(job.id, timeout_s=LONG_S).status == "cancelled"
    assert ours.retry(job.id).status == "queued"
    ours.cancel(job.id)
    ours.delete(job.id)
    for call in (ours.job, ours.cancel, ours.wait, ours.pictures):
        with pytest.raises(NotFound):
            call(job.id)


def test_an_earlier_picture_is_rendered_again(ours: Any, house: Services, client: Store) -> None:
    job = with_grid(house, LeaseStore(client, RULES))
    again = ours.rerender(job.job_id, num_inference_steps=80)
    assert (again.prior.job_id, again.prior.index) == (job.job_id, 0)
    assert (again.prompt, again.seed, again.num_inference_steps) == ("a red kite", 7, 80)


def test_events_are_streamed_to_the_end_of_the_job(ours: Any, store: JobStore) -> None:
    job = submitted(store, n=2)
    events = ours.stream(job.job_id)
    first = next(events)
    store.cancel(job.job_id, DEFAULT_TENANT)
    rest = list(events)
    assert (first.type, first.data) == ("job.queued", {"n": 2})
    assert [event.type for event in rest][-1] == "job.cancelled"
    assert list(ours.stream(job.job_id, after=first.id)) == rest
    assert list(ours.stream(job.job_id, after=rest[-1].id)) == []


def test_all_jobs_are_followed_in_one_stream(ours: Any, store: JobStore) -> None:
    events, made = ours.stream_all(), []

    def submit() -> bool:
        made.append(submitted(store).job_id)
        return False  # the stream may not yet be open

    with meanwhile(submit):
        event = next(events)
    events.close()
    assert event.type == "job.queued"
    assert event.data["job_id"] in made


def test_a_batch_is_made_of_requests(ours: Any) -> None:
    requests = ["a fox", JobRequest(prompt="a hare", seed=4), {"prompt": "an owl", "custom_id": "owl"}]
    batch = ours.batches.create(requests, metadata={"shop": "1"}, priority="high")
    assert (batch.status, batch.endpoint, batch.priority) == ("validating", "/v1/jobs", "high")
    assert ours.files.content(batch.input_file_id).decode().splitlines() == [
        '{"custom_id": "1", "method": "POST", "url": "/v1/jobs", "body": {"prompt": "a fox"}}',
        '{"custom_id": "2", "method": "POST", "url": "/v1/jobs", "body": {"prompt": "a hare", "seed": 4}}',
        '{"custom_id": "owl", "method": "POST", "url": "/v1/jobs", "body": {"prompt": "an owl"}}',
    ]
    other = ours.batches.create(input_file_id=batch.input_file_id)
    assert [each.id for each in ours.batches.list()] == [other.id, batch.id]
    assert ours.batches.pause(batch.id).paused
    assert not ours.batches.resume(batch.id).paused
    assert list(ours.batches.results(batch.id)) == []
    assert ours.batches.manifest(batch.id) == []
    with pytest.raises(StillRunning):
        ours.batches.wait(batch.id, timeout_s=0)
    assert next(ours.batches.stream(batch.id)).id == batch.id
    with pytest.raises(Conflict):
        ours.batches.delete(batch.id)
    with pytest.raises(NotFound):
        ours.batches.get(f"batch_{'0' * 26}")


def test_a_picture_of_a_batch_is_read_by_its_name(ours: Any, house: Services) -> None:
    batch = ours.batches.create(["a mug"], output_prefix="catalogue")
    pictures = {name: PICTURE + name.encode() for name in ("mug-17.png", "pair--1.webp", "カップ.jpeg")}
    for name, data in pictures.items():
        house.objects.put(ObjectKey(f"{batch.output_folder}{name}"), data, "image/png")
    assert {name: ours.batches.picture(batch.id, name) for name in pictures} == pictures
    plain = ours.batches.create(["a mug"])
    for batch_id, name in ((batch.id, "mug-18.png"), (batch.id, "../mug-17.png"), (plain.id, "mug-17.png")):
        with pytest.raises(NotFound):
            ours.batches.picture(batch_id, name)


def test_a_file_is_uploaded_read_and_deleted(ours: Any) -> None:
    file = ours.files.upload(b"abc", filename="a.txt", purpose="user_data")
    assert (file.filename, file.bytes, ours.files.content(file.id)) == ("a.txt", 3, b"abc")
    assert [each.id for each in ours.files.list(purpose="user_data")] == [file.id]
    assert list(ours.files.list(purpose="batch")) == []
    ours.files.delete(file.id)
    with pytest.raises(NotFound):
        ours.files.get(file.id)


def test_a_webhook_is_verified_with_the_secret_of_the_service(ours: Any) -> None:
    secret = ours.webhooks.secret()
    assert secret == SECRET
    body = b'{"type": "job.succeeded", "timestamp": "2027-01-05T09:30:00Z", "sequence": 4, "data": {"id": "job_1"}}'
    now = datetime.now(UTC)
    fields = {"Webhook-Id": "evt_1", "Webhook-Timestamp": str(int(now.timestamp()))}
    signed = {**fields, "Webhook-Signature": Webhook(secret).sign("evt_1", now, body.decode())}
    event = ours.webhooks.verify(body, signed, secret)
    assert (event.type, event.sequence, event.data) == ("job.succeeded", 4, {"id": "job_1"})
    for wrong_body, wrong_fields in ((body + b" ", signed), (body, fields), (body, {**signed, "Webhook-Id": "evt_2"})):
        with pytest.raises(InvalidSignature):
            ours.webhooks.verify(wrong_body, wrong_fields, secret)


def test_any_route_can_be_called(ours: Any) -> None:
    assert set(ours.request("GET", "/v1/stats")["stages"]) == {"ar", "dit"}
    estimate = ours.request("POST", "/v1/jobs/estimate", json={"prompt": "a fox", "size": "256x256"})
    assert estimate["pixels"] == 256 * 256
