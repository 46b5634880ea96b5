"""What a script of the store sends is what Celery would send, and Celery takes it."""

import json
from typing import Any

import pytest

from shared.celery_app import make_celery
from shared.hints.hint import Hint
from shared.hints.queues import Queue, celery_list
from shared.ids import Revision
from shared.jobs.states import Stage
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.queues.hints import Hints
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseRules, LeaseStore
from tests.shared.store.builders import REVISION, WORKER_ID, a_prior, submitted

RULES = LeaseRules(ttl_s=60, prior_ready_limit_min=16)
AR_WORKER = Announcement(WORKER_ID, Queue.AR, 2, Revision(""))
IDS = {"id", "root_id", "correlation_id", "delivery_tag", "reply_to", "origin"}


@pytest.fixture
def hints(client: Client, valkey_url: str) -> Hints:
    return Hints(make_celery(valkey_url), UpkeepStore(client))


def messages(client: Client, queue: Queue) -> list[Any]:
    return [json.loads(text) for text in client.lrange(celery_list(queue), 0, -1)]


def without_ids(value: Any) -> Any:
    """A message with every id of its own left out."""
    if isinstance(value, dict):
        return {name: without_ids(part) for name, part in value.items() if name not in IDS}
    return value


def test_a_hint_is_to_the_letter_what_celery_sends(
    hints: Hints, store: JobStore, client: Client, valkey_url: str
) -> None:
    submitted(store)
    hints.send_one(Queue.AR)
    app = make_celery(valkey_url)
    app.send_task(Queue.AR.task, args=[Hint().model_dump()], queue=Queue.AR.value)
    by_celery, by_us = messages(client, Queue.AR)
    assert without_ids(by_us) == without_ids(by_celery)
    assert by_us["headers"]["id"] == by_us["properties"]["correlation_id"] != by_celery["headers"]["id"]


def test_every_hint_has_an_id_of_its_own(hints: Hints, store: JobStore, client: Client) -> None:
    LeaseStore(client, RULES).beat(AR_WORKER, [])
    submitted(store, n=4)
    hints.send_one(Queue.AR)
    assert hints.top_up(Queue.AR) == 3
    tags = [message["properties"]["delivery_tag"] for message in messages(client, Queue.AR)]
    assert len(set(tags)) == 4


def test_a_new_job_brings_the_hint_that_its_first_queue_lacks(hints: Hints, client: Client) -> None:
    store = JobStore(client, hints=hints.messages)
    submitted(store)
    assert len(messages(client, Queue.AR)) == 1
    submitted(store)  # with no worker alive one hint stays queued
    assert len(messages(client, Queue.AR)) == 1


def test_a_finished_prior_sends_the_hints_of_its_consequences_along(
    hints: Hints, store: JobStore, client: Client
) -> None:
    submitted(store, n=3)
    leases = LeaseStore(client, RULES, [hints.messages[Queue.DIT], hints.messages[Queue.AR]])
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    assert messages(client, Queue.AR) == []
    leases.finish_prior(claim.lease, a_prior())
    # The worker whose place came free asks for itself: a hint is for an idle one.
    assert [len(messages(client, queue)) for queue in (Queue.DIT, Queue.AR)] == [1, 0]
    leases.finish_prior(claim.lease, a_prior())  # an answer that was lost: nothing happens twice
    assert [len(messages(client, queue)) for queue in (Queue.DIT, Queue.AR)] == [1, 0]


def test_a_render_that_was_handed_back_waits_for_upkeep(hints: Hints, store: JobStore, client: Client) -> None:
    submitted(store)
    leases = LeaseStore(client, RULES, [hints.messages[Queue.AR]])
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.hand_back(claim.lease)
    assert messages(client, Queue.AR) == []
    assert hints.top_up(Queue.AR) == 1
