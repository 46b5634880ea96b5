"""What workers say of their health is summed up by queue while they live, and is gone with them."""

import pytest

from shared.hints.queues import Queue
from shared.ids import Revision, WorkerId
from shared.schedule.worker_health import QueueHealth, WorkerHealth
from shared.store.core.connect import Client
from shared.store.queues.throughput import ThroughputStore
from shared.store.renders.leases import Announcement, LeaseStore
from tests.shared.store.builders import RULES

pytestmark = pytest.mark.attack


def worker(name: str, queue: Queue = Queue.DELIVERY) -> Announcement:
    return Announcement(WorkerId(name), queue, 1, Revision(""))


def test_the_counts_of_live_workers_are_summed_and_deaf_ones_counted(client: Client) -> None:
    leases, pace = LeaseStore(client, RULES), ThroughputStore(client)
    leases.beat(worker("a"), [], signs=WorkerHealth(silent_s=16.0, num_found=1, num_restarts=2, num_faults=3))
    leases.beat(worker("b"), [], signs=WorkerHealth(silent_s=14.0, num_found=10))
    leases.beat(worker("c", Queue.AR), [])
    signs = pace.signs()
    assert signs[Queue.DELIVERY] == QueueHealth(workers=2, deaf=1, found=11, restarts=2, faults=3)
    assert signs[Queue.AR] == QueueHealth(workers=1, deaf=0, found=0, restarts=0, faults=0)
    assert signs[Queue.BATCH].workers == 0


def test_a_worker_that_left_says_nothing_any_more(client: Client) -> None:
    leases = LeaseStore(client, RULES)
    leases.beat(worker("a"), [], signs=WorkerHealth(num_faults=3))
    leases.leave(worker("a"))
    assert ThroughputStore(client).signs()[Queue.DELIVERY] == QueueHealth(0, 0, 0, 0, 0)
    assert not client.exists("gridpress:signs:delivery")
