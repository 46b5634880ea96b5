"""Who goes first among tenants: fair shares by cost, nothing saved up, nobody starved. Formulas: docs/fairness.md."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.access.limits import TenantLimits
from shared.hints.queues import Queue as CeleryQueue
from shared.ids import JobId, TenantId, WorkerId, new_job_id
from shared.jobs.job import Job, PriorSource
from shared.jobs.leases import Claim
from shared.jobs.spec import JobSpec, Priority, RenderSettings
from shared.jobs.states import Stage
from shared.schedule.cost import cost_of
from shared.store.core.connect import Client
from shared.store.renders.leases import Announcement, LeaseRules
from tests.shared.store.answers import answer, without_holder
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_prior
from tests.shared.store.crashes import Worker
from tests.shared.store.world import World

A, B, C = (TenantId(name) for name in "abc")
TENANTS = st.sampled_from([A, B, C])
SIDES_PX = st.sampled_from([256, 512, 1024])
WEIGHTS = st.fixed_dictionaries({tenant: st.integers(1, 4) for tenant in (A, B, C)})


@dataclass
class Queue:
    """A world that is asked for one render after the other; remembers whose they were and what they cost."""

    world: World
    rules: LeaseRules = RULES
    jobs: dict[JobId, Job] = field(default_factory=dict)

    def submit(
        self, tenant: TenantId, n: int = 1, side_px: int = 256, priority: Priority = Priority.INTERACTIVE
    ) -> JobId:
        drawn = RenderSettings(prompt="a red kite", width_px=side_px, height_px=side_px)
        job = self.world.jobs.submit(
            new_job_id(), JobSpec(settings=drawn, n=n, seed=1, tenant=tenant, priority=priority)
        )
        self.jobs[job.job_id] = job
        return job.job_id

    def claim(self, stage: Stage = Stage.AR) -> Claim | None:
        return self.world.leases_under(self.rules).claim(stage, REVISION, WORKER_ID)

    def taken(self, num: int, stage: Stage = Stage.AR) -> list[Claim]:
        claims = [self.claim(stage) for _ in range(num)]
        return [claim for claim in claims if claim]

    def owner(self, claim: Claim) -> TenantId:
        return self.jobs[claim.job_id].spec.tenant

    def owners(self, num: int, stage: Stage = Stage.AR) -> list[TenantId]:
        return [self.owner(claim) for claim in self.taken(num, stage)]


@pytest.fixture
def queue(world: World) -> Queue:
    """Of a model that is served."""
    world.leases.beat(Announcement(WORKER_ID, CeleryQueue.AR, 4, REVISION), [])
    return Queue(world)


def ar_cost(claim: Claim) -> int:
    return cost_of(claim.settings).ar


def test_a_single_request_goes_before_the_backlog_of_another_tenant(queue: Queue) -> None:
    for _ in range(4):
        queue.submit(A, n=10)
    queue.taken(3)
    queue.world.clock.advance(60)
    queue.submit(B)
    assert queue.owners(2) == [B, A]


def test_the_dit_keeps_the_same_order(queue: Queue) -> None:
    for tenant, n in ((A, 6), (B, 2)):
        queue.submit(tenant, n=n)
    for claim in queue.taken(8):
        queue.world.leases.finish_prior(claim.lease, a_prior())
    assert queue.owners(8, Stage.DIT) == [A, B, A, B, A, A, A, A]


def test_shares_are_of_cost_and_not_of_renders(queue: Queue) -> None:
    queue.submit(A, n=16, side_px=512)
    for _ in range(6):
        queue.submit(B, n=16, side_px=256)
    served = Counter[TenantId]()
    for claim in queue.taken(40):
        served[queue.owner(claim)] += ar_cost(claim)
    largest = cost_of(RenderSettings(prompt="a", width_px=512, height_px=512)).ar
    assert abs(served[A] - served[B]) <= 2 * largest


def test_a_weight_is_a_multiple_of_the_share(queue: Queue) -> None:
    queue.world.set_limits(A, TenantLimits(weight=3))
    for tenant in (A, B):
        for _ in range(2):
            queue.submit(tenant, n=16)
    assert Counter(queue.owners(32)) == {A: 24, B: 8}


def test_what_a_tenant_did_not_use_is_not_saved_up(queue: Queue) -> None:
    for tenant in (A, B):
        queue.submit(tenant)
    queue.taken(2)
    for _ in range(2):
        queue.submit(B, n=16)
    queue.taken(16)
    queue.submit(A, n=16)
    served = Counter(queue.owners(16))
    assert abs(served[A] - served[B]) <= 2, "no more than one render each, as ever"


def test_a_tenant_that_works_alone_owes_nobody(queue: Queue) -> None:
    """It took what nobody wanted."""
    queue.submit(A, n=16)
    queue.taken(12)
    queue.submit(B, n=16)
    assert Counter(queue.owners(8)) == {A: 4, B: 4}


def test_among_equals_the_first_to_come_goes_first(queue: Queue) -> None:
    for tenant in (C, A, B):
        queue.submit(tenant)
        queue.world.clock.advance(1)
    assert queue.owners(3) == [C, A, B]


def test_what_is_handed_back_costs_nothing_and_keeps_its_turn(queue: Queue) -> None:
    for tenant in (A, B):
        queue.submit(tenant, n=4)
    for _ in range(5):
        [claim] = queue.taken(1)
        assert queue.owner(claim) == A
        queue.world.leases.hand_back(claim.lease)
    assert Counter(queue.owners(4)) == {A: 2, B: 2}


def test_what_is_rescued_is_paid_for_once(queue: Queue) -> None:
    """The worker left without handing back."""
    for tenant in (A, B):
        queue.submit(tenant, n=8)
    worker = Worker(queue.world, "gone")
    worker.take(4)
    queue.world.let_leases_end()
    queue.world.leases.leave(Announcement(WorkerId("gone"), CeleryQueue.AR, 4, REVISION))
    queue.world.rescue()
    assert Counter(queue.owners(8)) == {A: 4, B: 4}


def test_a_tenant_at_its_limit_is_passed_and_comes_back_when_one_of_its_renders_ends(queue: Queue) -> None:
    queue.world.set_limits(A, TenantLimits(concurrent_renders=1))
    queue.submit(A, n=2)
    queue.submit(B, n=4)
    first, *others = queue.taken(4)
    assert [queue.owner(claim) for claim in (first, *others)] == [A, B, B, B]
    queue.world.leases.fail(first.lease, {"code": "test"})
    assert queue.owners(2) == [A, B]


def test_a_limit_that_is_lifted_acts_at_once(queue: Queue) -> None:
    queue.world.set_limits(A, TenantLimits(concurrent_renders=1))
    queue.submit(A, n=3)
    assert queue.owners(2) == [A]
    queue.world.set_limits(A, TenantLimits())
    assert queue.owners(2) == [A, A]


def test_one_tenants_backlog_at_the_dit_does_not_close_the_door_on_another_of_its_class(queue: Queue) -> None:
    queue.submit(A, n=16)
    queue.submit(A, n=16)
    for claim in queue.taken(RULES.prior_ready_limit_min):
        queue.world.leases.finish_prior(claim.lease, a_prior())
    assert queue.claim() is None
    queue.submit(B, n=16)
    let_in = queue.taken(1)
    assert [queue.owner(claim) for claim in let_in] == [B]
    queue.world.leases.finish_prior(let_in[0].lease, a_prior())
    assert queue.owners(2, Stage.DIT) == [A, B]


def test_a_tenant_runs_ahead_of_a_full_dit_by_a_quarter_of_the_limit(queue: Queue) -> None:
    for _ in range(2):
        queue.submit(A, n=16)
    for claim in queue.taken(RULES.prior_ready_limit_min):
        queue.world.leases.finish_prior(claim.lease, a_prior())
    queue.submit(B, n=16)
    owners = []
    while claims := queue.taken(1):
        owners += map(queue.owner, claims)
        queue.world.leases.finish_prior(claims[0].lease, a_prior())
    assert owners == [B] * (RULES.prior_ready_limit_min // 4)


BACKLOGS = st.fixed_dictionaries({tenant: st.lists(SIDES_PX, min_size=12, max_size=12) for tenant in (A, B, C)})


@settings(max_examples=40, deadline=None)
@given(backlogs=BACKLOGS, weights=WEIGHTS)
def test_shares_of_backlogged_tenants_differ_by_no_more_than_their_largest_renders(
    backlogs: dict[TenantId, list[int]], weights: dict[TenantId, int]
) -> None:
    """Theorem 1 of the paper: |W(f)/w(f) - W(m)/w(m)| <= max cost(f)/w(f) + max cost(m)/w(m), at any time."""
    queue = Queue(World.of_memory())
    largest = {}
    for tenant, sides_px in backlogs.items():
        queue.world.set_limits(tenant, TenantLimits(weight=weights[tenant]))
        jobs = [queue.submit(tenant, side_px=side_px) for side_px in sides_px]
        largest[tenant] = max(cost_of(queue.jobs[job].spec.settings).ar for job in jobs) / weights[tenant]
    left, served = Counter({tenant: len(sides_px) for tenant, sides_px in backlogs.items()}), Counter[TenantId]()
    while min(left.values()) > 0:
        [claim] = queue.taken(1)
        tenant = queue.owner(claim)
        left[tenant] -= 1
        served[tenant] += ar_cost(claim)
        for one in backlogs:
            for other in backlogs:
                error = abs(served[one] / weights[one] - served[other] / weights[other])
                assert error <= largest[one] + largest[other] + 1e-6


ARRIVALS = st.lists(st.tuples(TENANTS, st.integers(1, 3), SIDES_PX, st.integers(0, 3)), min_size=1, max_size=10)


@settings(max_examples=40, deadline=None)
@given(arrivals=ARRIVALS, weights=WEIGHTS)
def test_nobody_waits_longer_than_its_share_allows(
    arrivals: list[tuple[TenantId, int, int, int]], weights: dict[TenantId, int]
) -> None:
    """Before a render that stands behind cost x of its own tenant, another tenant is served at most
    x * w(other)/w(own), and one render more at either end."""
    queue = Queue(World.of_memory())
    for tenant, weight in weights.items():
        queue.world.set_limits(tenant, TenantLimits(weight=weight))
    came_after: dict[JobId, int] = {}
    order: list[Claim] = []
    for tenant, n, side_px, num_taken in arrivals:
        came_after[queue.submit(tenant, n=n, side_px=side_px)] = len(order)
        order += queue.taken(num_taken)
    order += queue.taken(sum(n for _, n, _, _ in arrivals))
    assert len(order) == sum(n for _, n, _, _ in arrivals), "everybody is served"
    largest = max(ar_cost(claim) for claim in order)
    for place, claim in enumerate(order):
        tenant, waited = queue.owner(claim), Counter[TenantId]()
        for other in order[came_after[claim.job_id] : place]:
            waited[queue.owner(other)] += ar_cost(other)
        for other, cost in waited.items():
            if other != tenant:
                own = waited[tenant] + 2 * largest
                assert cost <= own * weights[other] / weights[tenant] + 2 * largest


@settings(max_examples=40, deadline=None)
@given(sides_px=st.lists(SIDES_PX, min_size=30, max_size=30), floor=st.sampled_from([0.0, 0.1, 0.5]))
def test_batch_gets_its_floor_and_no_more_while_interactive_waits(sides_px: list[int], floor: float) -> None:
    queue = Queue(World.of_memory(), LeaseRules(ttl_s=30, prior_ready_limit_min=16, batch_floor=floor))
    for place, side_px in enumerate(sides_px):
        queue.submit(A, side_px=side_px, priority=list(Priority)[place % 2])
    largest = max(cost_of(job.spec.settings).ar for job in queue.jobs.values())
    served, left = Counter[Priority](), Counter(dict.fromkeys(Priority, 15))
    while min(left.values()) > 0:
        [claim] = queue.taken(1)
        left[claim.priority] -= 1
        served[claim.priority] += ar_cost(claim)
        due = served.total() * floor
        assert due - 2 * largest <= served[Priority.BATCH] <= due + largest


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["submit", "submit", "again", "claim", "claim", "claim", "finish", "fail", "hand_back", "limit"]
        ),
        TENANTS,
        st.sampled_from(list(Stage)),
        st.integers(0, 9),
    ),
    max_size=60,
)


def test_the_real_store_chooses_what_its_twin_chooses(client: Client, still_clock: None) -> None:
    """With several tenants, weights, caps, classes and sizes: the state machine has one tenant."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(steps=STEPS)
    def check(steps: Sequence[tuple[str, TenantId, Stage, int]]) -> None:
        client.flushdb()
        worlds = (World.of_valkey(client), World.of_memory())
        pairs: list[tuple[Claim, Claim]] = []
        for verb, tenant, stage, number in steps:
            _step(worlds, pairs, verb, tenant, stage, number)

    check()


def _step(
    worlds: tuple[World, World],
    pairs: list[tuple[Claim, Claim]],
    verb: str,
    tenant: TenantId,
    stage: Stage,
    number: int,
) -> None:
    if verb in ("submit", "again"):
        drawn = RenderSettings(prompt="a", width_px=256 * (1 + number % 3), height_px=256)
        spec = JobSpec(settings=drawn, n=1 + number % 2, seed=1, tenant=tenant, priority=list(Priority)[number % 2])
        source = PriorSource(a_prior(), REVISION) if verb == "again" else None
        job_id = new_job_id()
        for world in worlds:
            world.jobs.submit(job_id, spec, source=source)
    elif verb == "limit":
        for world in worlds:
            world.set_limits(tenant, TenantLimits(concurrent_renders=number or None, weight=1 + number % 3))
    elif verb == "claim":
        rules = LeaseRules(ttl_s=30, prior_ready_limit_min=3)
        real, twin = (world.leases_under(rules).claim(stage, REVISION, WORKER_ID) for world in worlds)
        assert (real and without_holder(real)) == (twin and without_holder(twin))
        if real and twin:
            pairs.append((real, twin))
    elif pairs:
        pair = pairs.pop(number % len(pairs))
        answers = [answer(world.leases, claim, verb) for world, claim in zip(worlds, pair, strict=True)]
        assert answers[0] == answers[1]
    for world in worlds:
        world.clock.advance(number % 2)
