"""Where somebody saw a worker's process end, its batch waits for no lease."""

from dataclasses import replace

import pytest

from shared.ids import WorkerId
from shared.store.batch_work.work import BatchWork
from shared.store.core.connect import Client
from shared.store.queues.upkeep import UpkeepStore
from tests.workers.batches.shop import Shop
from tests.workers.batches.test_slow_pictures import RULES, edits

pytestmark = pytest.mark.attack

LONG = replace(RULES, lease_ttl_s=86_400)


def test_a_batch_of_a_dead_worker_is_due_again_at_once(shop: Shop, client: Client) -> None:
    shop.create(edits(1))
    dead, others = BatchWork(client, LONG, WorkerId("dead")), BatchWork(client, LONG, WorkerId("next"))
    held = dead.claim()
    assert held
    assert others.claim() is None
    UpkeepStore(client).take_back(WorkerId("dead"), 5)
    again = others.claim()
    assert again
    assert again.batch_id == held.batch_id
    UpkeepStore(client).take_back(WorkerId("dead"), 5)
    assert others.claim() is None
