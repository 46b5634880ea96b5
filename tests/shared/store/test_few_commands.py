"""The store runs as many commands for a job beside hundreds of tenants and workers as beside a few."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.hints.message import HintMessage
from shared.hints.queues import Queue, celery_list
from shared.ids import DEFAULT_TENANT, JobId, TenantId, WorkerId, new_job_id
from shared.jobs.leases import Claim
from shared.jobs.states import Stage
from shared.store.core.connect import Client
from shared.store.idempotency.requests import IdempotencyStore, Reservation
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import Announcement, LeaseStore
from shared.store.webhooks.deliveries import DeliveryStore
from shared.store.webhooks.manifests import ManifestStore
from tests.shared.store.builders import (
    A_LOT,
    AN_ATTEMPT,
    DELIVERY_RULES,
    REVISION,
    RULES,
    WORKER_ID,
    a_picture,
    a_prior,
    a_spec,
)
from tests.shared.store.commands import num_commands

HINTS = {queue: HintMessage(queue, '{"id": "HINT_ID"}') for queue in Queue}


def commands_of_a_job(client: Client, tenants: int, workers: int, *, all_ask: bool) -> list[int]:
    """Commands of submit, claim and advance in both stages, while each tenant waits and no hint is in a queue."""
    client.flushall()
    jobs, leases = JobStore(client, hints=HINTS), LeaseStore(client, RULES, list(HINTS.values()))
    for number in range(workers):
        for queue in (Queue.AR, Queue.DIT):
            worker = Announcement(WorkerId(f"{queue}{number}"), queue, 1, REVISION)
            leases.beat(worker, [])
            if all_ask:
                assert leases.claim(Stage(queue), REVISION, worker.worker_id) is None
    for number in range(tenants):
        jobs.submit(new_job_id(), a_spec(tenant=TenantId(f"t{number}")))
    counts = []

    def count(call: Callable[[], object]) -> None:
        client.delete(*map(celery_list, Queue))
        counts.append(num_commands(client, call))

    count(lambda: jobs.submit(new_job_id(), a_spec(tenant=TenantId("t0"))))
    claims: list[Claim | None] = []
    count(lambda: claims.append(leases.claim(Stage.AR, REVISION, WORKER_ID)))
    prior = claims.pop()
    assert prior
    count(lambda: leases.finish_prior(prior.lease, a_prior()))
    count(lambda: claims.append(leases.claim(Stage.DIT, REVISION, WORKER_ID)))
    decode = claims.pop()
    assert decode
    count(lambda: leases.finish_picture(decode.lease, a_picture()))
    return counts


@pytest.mark.parametrize("all_ask", [True, False], ids=["all workers have asked", "some have not"])
def test_a_job_costs_no_more_commands_beside_a_crowd(client: Client, *, all_ask: bool) -> None:
    commands_of_a_job(client, 1, 1, all_ask=all_ask)  # loads the scripts
    beside_few = commands_of_a_job(client, 3, 3, all_ask=all_ask)
    beside_many = commands_of_a_job(client, 300, 40, all_ask=all_ask)
    few_lanes = 64  # as many lanes as a script reads at once, for hints to one queue
    assert all(many - few <= few_lanes for few, many in zip(beside_few, beside_many, strict=True))


def num_reads(client: Client) -> int:
    """Requests of one client, because each fits into one read of the store."""
    return int(client.info("stats")["total_reads_processed"])


def path_of_a_job(client: Client) -> list[Callable[[], object]]:
    """What the roles ask of the store for a job of one picture with a webhook, in their order."""
    jobs, leases = JobStore(client, hints=HINTS), LeaseStore(client, RULES, list(HINTS.values()))
    manifests, deliveries = ManifestStore(client, 30, WORKER_ID), DeliveryStore(client, DELIVERY_RULES, WORKER_ID)
    requests = IdempotencyStore(client, kept_for_s=3600)
    found: dict[str, Any] = {}

    def begin() -> None:
        found["reservation"] = requests.begin(DEFAULT_TENANT, "/v1/jobs", "key", "f" * 64, new_job_id())

    def submit() -> None:
        mine = found["reservation"]
        assert mine.is_new
        spec = a_spec(webhook_url="https://a.example/hook", webhook_events=("job.succeeded",))
        found["job"] = jobs.submit(JobId(mine.reserved_id), spec, idempotency=mine.scope)

    def claim(stage: Stage) -> None:
        found[stage] = leases.claim(stage, REVISION, WORKER_ID)

    def claim_manifest() -> None:
        found["manifest"] = manifests.claim()
        assert found["manifest"].job == jobs.job(found["job"].job_id, DEFAULT_TENANT)

    def claim_delivery() -> None:
        [found["delivery"]] = deliveries.claim(A_LOT)
        assert found["delivery"].job == found["manifest"].job

    return [
        begin,
        submit,
        lambda: claim(Stage.AR),
        lambda: leases.finish_prior(found[Stage.AR].lease, a_prior()),
        lambda: claim(Stage.DIT),
        lambda: leases.finish_picture(found[Stage.DIT].lease, a_picture()),
        claim_manifest,
        lambda: manifests.written(found["manifest"]),
        claim_delivery,
        lambda: deliveries.delivered(found["delivery"], AN_ATTEMPT),
    ]


# Of begin_idempotent, submit, claim and advance in both stages, then claim and end of the manifest and of the webhook.
MOST_COMMANDS = (10, 40, 75, 40, 40, 61, 13, 7, 31, 28)


def test_the_scripts_of_a_job_run_few_commands(client: Client) -> None:
    for call in path_of_a_job(client):  # loads the scripts
        call()
    client.flushall()
    counts = tuple(num_commands(client, call) for call in path_of_a_job(client))
    assert all(count <= most for count, most in zip(counts, MOST_COMMANDS, strict=True))


def test_each_role_asks_once_for_what_it_does(client: Client) -> None:
    for call in path_of_a_job(client):  # loads the scripts
        call()
    client.flushall()
    begun = num_reads(client)
    for call in path_of_a_job(client):
        call()
    of_the_test = 2  # the look at the counters, and the job that the manifest is compared with
    assert num_reads(client) - begun == 10 + of_the_test
    mine = IdempotencyStore(client, kept_for_s=3600).begin(DEFAULT_TENANT, "/v1/jobs", "key", "f" * 64, new_job_id())
    assert isinstance(mine, Reservation)
    assert (mine.is_new, client.hget(f"gridpress:idempotency:{mine.scope}", "stands")) == (False, "1")
