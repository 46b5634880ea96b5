"""The model that benchmarks/fairness.py simulates decides what the store's twin decides."""

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fair_queue import Demand, FairOrder
from shared.access.limits import TenantLimits
from shared.hints.queues import Queue
from shared.ids import JobId, TenantId, new_job_id
from shared.jobs.spec import JobSpec, Priority, RenderSettings
from shared.jobs.states import Stage
from shared.schedule.cost import cost_of
from shared.store.renders.leases import Announcement
from tests.shared.store.builders import REVISION, RULES, WORKER_ID
from tests.shared.store.world import World

STEPS = st.lists(
    st.none() | st.tuples(st.integers(0, 3), st.sampled_from(list(Priority)), st.sampled_from([256, 512])), max_size=60
)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, weights=st.lists(st.integers(1, 3), min_size=4, max_size=4))
def test_the_model_serves_in_the_order_of_the_twin(
    steps: list[tuple[int, Priority, int] | None], weights: list[int]
) -> None:
    """Each step submits a job of (tenant, priority, side in pixels); None claims one."""
    world, model = World.of_memory(), FairOrder(dict(enumerate(map(float, weights))), RULES.batch_floor)
    world.leases.beat(Announcement(WORKER_ID, Queue.AR, 1, REVISION), [])
    for tenant, weight in enumerate(weights):
        world.set_limits(TenantId(str(tenant)), TenantLimits(weight=weight))
    tenant_of: dict[JobId | None, int] = {}
    for now_s, step in enumerate(steps):
        if step:
            tenant, priority, side_px = step
            drawn = RenderSettings(prompt="a", width_px=side_px, height_px=side_px)
            spec = JobSpec(settings=drawn, n=1, seed=1, tenant=TenantId(str(tenant)), priority=priority)
            tenant_of[world.jobs.submit(new_job_id(), spec).job_id] = tenant
            model.add(Demand(tenant, priority, cost_of(drawn).ar, now_s))
        else:
            claim, demand = world.leases.claim(Stage.AR, REVISION, WORKER_ID), model.next()
            assert tenant_of.get(claim and claim.job_id) == (demand and demand.tenant)
        world.clock.advance(1)
