"""A DiT worker that is told to leave: another process goes on from its step, and nothing stays in the object store."""

import signal

import pytest

from shared.jobs.states import Stage
from shared.objects.store import ObjectStore
from shared.store.renders.handovers import HandoverStore
from tests.faults.fleet import Fleet
from workers.upkeep.handovers import delete_handovers

MODEL = "simulate:dit=8s"  # 800 steps; a worker reports them every two seconds
MANY = 20


def latents_of(fleet: Fleet) -> list[str]:
    return [key for key, _ in fleet.client.zscan_iter("gridpress:handovers")]


@pytest.mark.parametrize("ttl_s", ["60", "0"])
def test_a_drained_worker_leaves_its_steps_to_another_unless_that_is_off(
    fleet: Fleet, objects: ObjectStore, ttl_s: str
) -> None:
    fleet.start(Stage.AR)
    first = fleet.start(Stage.DIT, MODEL, drain_grace_s="0.2", handover_ttl_s=ttl_s)
    job = fleet.submit()

    def num_done() -> int:
        progress = fleet.renders(job)[0].progress
        return progress.done if progress else 0

    fleet.wait_until(lambda: num_done() >= MANY)
    first.process.send_signal(signal.SIGTERM)
    fleet.wait_until(lambda: not first.is_running)
    assert first.process.returncode == 0
    assert fleet.are_all(job, "prior_ready")
    stored = latents_of(fleet)
    assert len(stored) == (ttl_s != "0")
    second = fleet.start(Stage.DIT, MODEL)
    if stored:
        fleet.wait_until(lambda: num_done() > 0)
        assert num_done() > MANY, "progress goes on from the step"
    fleet.wait_until(lambda: fleet.are_all(job, "succeeded"))
    assert ("render.resumed" in second.log) == bool(stored)
    assert fleet.renders(job)[0].attempts == 2, "the one that was handed back does not count"
    assert delete_handovers(HandoverStore(fleet.client), objects) == len(stored)
    assert latents_of(fleet) == []
    assert not any(objects.has(key) for key in stored)  # type: ignore[arg-type]
