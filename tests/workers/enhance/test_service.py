"""One prompt from claim to write, over the real store and a chat endpoint on loopback."""

from collections.abc import Iterator

import pytest

from shared.ids import DEFAULT_TENANT, JobId
from shared.jobs.enhancement import EnhancementStatus
from shared.jobs.job import Job
from shared.jobs.states import JobStatus, Stage
from shared.store.core.connect import Client
from shared.store.enhancements.enhancements import EnhancementStore
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, finish_next, submitted
from tests.workers.enhance.chat import Chat, chatting, completion, says
from workers.enhance.endpoint import ChatEndpoint
from workers.enhance.service import EnhanceService

REVISED = "a red kite over a grey bay"
ATTEMPTS = 2


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chatting(says(REVISED)) as made:
        yield made


@pytest.fixture
def service(client: Client, chat: Chat) -> Iterator[EnhanceService]:
    endpoint = ChatEndpoint(chat.url, None, {"model": "m"}, timeout_s=30)
    yield EnhanceService(EnhancementStore(client, lease_ttl_s=60), endpoint, ATTEMPTS, max_chars=200)
    endpoint.close()


def make_due(client: Client, job: Job) -> None:
    """Time passes: a retry's delay, or a dead worker's lease."""
    client.zadd("gridpress:enhancements:interactive", {job.job_id: 0})


def enhanced(store: JobStore, job_id: JobId) -> tuple[str, str | None, str | None]:
    enhancement = store.job(job_id, DEFAULT_TENANT).enhancement
    assert enhancement
    return enhancement.status, enhancement.revised_prompt, enhancement.error["code"] if enhancement.error else None


def test_a_prompt_is_enhanced_and_drawn(service: EnhanceService, store: JobStore, client: Client, chat: Chat) -> None:
    job = submitted(store, enhance_prompt=True)
    assert service.enhance_one()
    assert not service.enhance_one()
    assert enhanced(store, job.job_id) == ("succeeded", REVISED, None)
    assert job.spec.settings.prompt in chat.heard[0][1]["messages"][1]["content"]
    finish_next(LeaseStore(client, RULES))
    assert store.job(job.job_id, DEFAULT_TENANT).status is JobStatus.SUCCEEDED


def test_a_failure_that_may_pass_is_tried_again(
    service: EnhanceService, store: JobStore, client: Client, chat: Chat
) -> None:
    job = submitted(store, enhance_prompt=True)
    chat.answer = lambda _: (503, b"")
    service.enhance_one()
    assert enhanced(store, job.job_id) == ("pending", None, None)
    assert not service.enhance_one(), "not before its delay is over"
    chat.answer = says(REVISED)
    make_due(client, job)
    service.enhance_one()
    assert enhanced(store, job.job_id) == ("succeeded", REVISED, None)


@pytest.mark.parametrize(
    ("status", "body", "code", "num_calls"),
    [
        (500, b"", "endpoint_unavailable", ATTEMPTS),
        (403, b"", "endpoint_refused", 1),
        (200, b"garbage", "unreadable_answer", ATTEMPTS),
        (200, completion(""), "empty_answer", ATTEMPTS),
        (200, completion("x" * 201), "answer_too_long", ATTEMPTS),
        (200, completion('a kite "NEW"'), "quoted_text_added", ATTEMPTS),
    ],
)
def test_in_the_end_the_prompt_is_drawn_as_it_was_sent(
    service: EnhanceService,
    store: JobStore,
    client: Client,
    chat: Chat,
    status: int,
    body: bytes,
    code: str,
    num_calls: int,
) -> None:
    chat.answer = lambda _: (status, body)
    job = submitted(store, enhance_prompt=True)
    while enhanced(store, job.job_id)[0] == EnhancementStatus.PENDING:
        make_due(client, job)
        service.enhance_one()
    assert len(chat.heard) == num_calls
    assert enhanced(store, job.job_id) == ("failed", None, code)
    claim = LeaseStore(client, RULES).claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    assert claim.settings == job.spec.settings


def test_a_job_whose_workers_die_is_given_up_without_another_call(
    service: EnhanceService, store: JobStore, client: Client, chat: Chat
) -> None:
    job = submitted(store, enhance_prompt=True)
    for _ in range(ATTEMPTS):
        assert service.enhancements.claim()
        make_due(client, job)
    service.enhance_one()
    assert chat.heard == []
    assert enhanced(store, job.job_id) == ("failed", None, "worker_lost")


def test_a_bug_of_ours_costs_the_job_no_more_than_its_enhancement(store: JobStore, client: Client) -> None:
    class Broken:
        def ask(self, messages: object) -> bytes:
            raise KeyError("a bug")

    broken = EnhanceService(EnhancementStore(client, lease_ttl_s=60), Broken(), max_attempts=1, max_chars=200)
    job = submitted(store, enhance_prompt=True)
    broken.enhance_one()
    assert enhanced(store, job.job_id) == ("failed", None, "internal_error")
