"""The store runs as many commands for a job beside hundreds of tenants and workers as beside a few."""

from collections.abc import Callable

import pytest

from shared.hints.message import HintMessage
from shared.hints.queues import Queue, celery_list
from shared.ids import TenantId, WorkerId, new_job_id
from shared.jobs.leases import Claim
from shared.jobs.states import Stage
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import Announcement, LeaseStore
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_picture, a_prior, a_spec

HINTS = {queue: HintMessage(queue, '{"id": "HINT_ID"}') for queue in Queue}


def num_commands(client: Client) -> int:
    """Those of scripts are counted too."""
    return sum(int(found["calls"]) for name, found in client.info("commandstats").items() if name != "cmdstat_info")


def spent(client: Client, call: Callable[[], object]) -> int:
    before = num_commands(client)
    call()
    return num_commands(client) - before


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
        counts.append(spent(client, call))

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
