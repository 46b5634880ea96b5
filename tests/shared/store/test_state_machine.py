"""Any interleaving of clients, workers, their deaths, upkeep and time: on the real store and its twin, in step."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule

from shared.access.limits import TenantLimits
from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, Fence, JobId, RenderId, WorkerId, new_job_id
from shared.jobs.enhancement import EnhancementStatus
from shared.jobs.job import Job, PriorSource
from shared.jobs.leases import Claim, Progress, RenderReport
from shared.jobs.spec import Priority
from shared.jobs.states import ARROWS, REVIVALS, JobStatus, RenderState, Stage, final_status
from shared.store.core.connect import Client
from shared.store.enhancements.enhancements import EnhancementClaim
from shared.store.renders.leases import Announcement, LeaseRules
from tests.shared.store.answers import (
    all_deliveries,
    answer,
    comparable,
    deleted,
    finish_enhancement,
    retried,
    submitted,
    without_holder,
)
from tests.shared.store.builders import REVISION, a_prior, a_spec, message_id
from tests.shared.store.clocks import START_MS
from tests.shared.store.world import BYSTANDER, Leases, World

RULES = LeaseRules(ttl_s=10, prior_ready_limit_min=3)
STRIKES = 2
WORKERS = st.sampled_from(["w1", "w2", "w3"])
STAGES = st.sampled_from(list(Stage))
RARELY = st.sampled_from([False, False, False, True])
TENANT_LIMITS = st.just(TenantLimits()) | st.builds(
    TenantLimits, queued_renders=st.none() | st.integers(1, 6), concurrent_renders=st.none() | st.integers(1, 3)
)
LIMITS = st.just({}) | st.fixed_dictionaries(
    {},
    optional={
        "start_timeout_s": st.sampled_from([5.0, 400.0]),
        "execution_timeout_s": st.sampled_from([5.0, 400.0]),
        "deadline": st.sampled_from([5, 400]).map(lambda s: datetime.fromtimestamp(START_MS / 1000 + s, UTC)),
    },
)


@dataclass(frozen=True)
class Twins:
    """One claim as both stores made it: the same but for its random holder."""

    real: Claim
    twin: Claim

    def __iter__(self) -> Any:
        return iter((self.real, self.twin))


class StoreMachine(RuleBasedStateMachine):
    """`client` is set by the test. Every rule is done to both stores, and both must answer the same."""

    client: Client
    claims: Bundle[Twins] = Bundle("claims")
    enhancements: Bundle[Any] = Bundle("enhancements")

    def __init__(self) -> None:
        super().__init__()
        self.client.flushdb()
        self.worlds = (World.of_valkey(self.client), World.of_memory())
        self.ids: list[JobId] = []
        self.seen: dict[RenderId, RenderState] = {}
        self.fences: dict[RenderId, Fence] = {}
        self.revived: set[JobId] = set()
        self.lives: dict[str, int] = {}
        self.revivable: set[RenderId] = set()
        self.behind_s = 0.0

    @initialize(is_poisoned=st.booleans(), tenant_limits=TENANT_LIMITS)
    def begin(self, is_poisoned: bool, tenant_limits: TenantLimits) -> None:
        """Half of the runs start with a dead letter, which random steps hardly ever make."""
        self._both(lambda world: world.set_limits(DEFAULT_TENANT, tenant_limits))
        if is_poisoned:
            self.submit(1, Priority.INTERACTIVE, {})
            self.crash(Stage.AR, most=1, done=0, times=1 + STRIKES)

    @rule(n=st.integers(1, 4), priority=st.sampled_from(list(Priority)), limits=LIMITS, enhance_prompt=RARELY)
    def submit(self, n: int, priority: Priority, limits: dict[str, Any], enhance_prompt: bool = False) -> None:
        job_id = new_job_id()
        spec = a_spec(n=n, priority=priority, enhance_prompt=enhance_prompt, webhook_url="https://a.example/", **limits)
        if self._both(lambda world: submitted(world, job_id, spec)) != "refused":
            self.ids.append(job_id)

    @rule(n=st.integers(1, 3), priority=st.sampled_from(list(Priority)))
    def submit_a_re_render(self, n: int, priority: Priority) -> None:
        job_id, source = new_job_id(), PriorSource(a_prior(9), REVISION)
        spec = a_spec(n=n, priority=priority, webhook_url="https://a.example/")
        if self._both(lambda world: submitted(world, job_id, spec, source)) != "refused":
            self.ids.append(job_id)

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def submit_again(self, data: st.DataObject) -> None:
        """A client that lost the answer sends the job once more."""
        job_id = data.draw(st.sampled_from(self.ids))
        before = self._both(lambda world: world.job(job_id))
        assert self._both(lambda world: world.jobs.submit(job_id, a_spec(n=1))) == before

    @rule(target=enhancements)
    def claim_enhancement(self) -> object:
        real, twin = (world.enhancements.claim() for world in self.worlds)
        if real is None or twin is None:
            assert real is twin
            return multiple()
        assert (real.job_id, real.spec, real.attempt) == (twin.job_id, twin.spec, twin.attempt)
        return real, twin

    @rule(claimed=enhancements, how=st.sampled_from(["succeed", "succeed", "fail", "retry"]))
    def finish_enhancement(self, claimed: tuple[EnhancementClaim, EnhancementClaim], how: str) -> None:
        """Also late, repeated and by the dead."""
        is_deleted = claimed[0].job_id not in self.ids
        before = None if is_deleted else self.worlds[0].job(claimed[0].job_id).enhancement
        answers = [finish_enhancement(world, claim, how) for world, claim in zip(self.worlds, claimed, strict=True)]
        assert answers[0] == answers[1]
        if before is None or before.status is not EnhancementStatus.PENDING:
            assert not answers[0], "what is decided stays"

    @rule(target=claims, stage=STAGES, worker=WORKERS)
    def claim(self, stage: Stage, worker: str) -> object:
        real, twin = (self._leases(world).claim(stage, REVISION, self._id(worker, stage)) for world in self.worlds)
        assert (real and without_holder(real)) == (twin and without_holder(twin))
        if real is None or twin is None:
            return multiple()
        assert real.lease.fence > self.fences.get(real.render_id, 0), "a fence only grows"
        assert (real.prior is not None) == (stage is Stage.DIT)
        self.fences[real.render_id] = real.lease.fence
        return Twins(real, twin)

    @rule(twins=claims, how=st.sampled_from(["finish", "finish", "fail", "hand_back", "hand_over"]))
    def write(self, twins: Twins, how: str) -> None:
        """Also late, repeated and by the dead: claims stay in the bundle for ever."""
        before = self._state(twins.real)
        is_current = twins.real.lease.fence == self.fences[twins.real.render_id]
        answers = [answer(self._leases(world), claim, how) for world, claim in zip(self.worlds, twins, strict=True)]
        assert answers[0] == answers[1]
        if answers[0] == "lost":
            assert self._state(twins.real) is before, "a refused write changes nothing"
        else:
            assert is_current, "a smaller fence never writes"

    @rule(stage=STAGES, worker=WORKERS, held=st.lists(st.tuples(claims, st.integers(0, 3), st.booleans()), max_size=4))
    def beat(self, stage: Stage, worker: str, held: list[tuple[Twins, int, bool]]) -> None:
        known = {twins.real.lease: (twins, done, in_step) for twins, done, in_step in held}
        mine = [each for lease, each in known.items() if lease.stage is stage]
        announcement = Announcement(self._id(worker, stage), Queue(stage), 2, REVISION)
        verdicts = [
            self._leases(world).beat(
                announcement,
                [RenderReport(tuple(twins)[side].lease, Progress(done, 9), in_step) for twins, done, in_step in mine],
                [f"{worker} beats"],
            )
            for side, world in enumerate(self.worlds)
        ]
        assert verdicts[0] == verdicts[1]

    @rule(worker=WORKERS)
    def restart(self, worker: str) -> None:
        """A killed process beats no more; its successor has another id."""
        self.lives[worker] = self.lives.get(worker, 0) + 1

    @rule(worker=WORKERS, stage=STAGES)
    def end_seen_by_its_supervisor(self, worker: str, stage: Stage) -> None:
        self._both(lambda world: world.upkeep.take_back(self._id(worker, stage), STRIKES))
        self.restart(worker)

    @rule(stage=STAGES, most=st.integers(1, 3), done=st.integers(0, 1), times=st.integers(1, 5))
    def crash(self, stage: Stage, most: int, done: int, times: int) -> None:
        """New workers take renders, work a little, die, and are found dead: what random steps seldom line up."""
        for _ in range(times):
            self.restart("w0")
            taken = [twins for twins in (self.claim(stage, "w0") for _ in range(most)) if isinstance(twins, Twins)]
            self.beat(stage, "w0", [(twins, done, True) for twins in taken])
            self._outlive_leases()
            self.keep_up()

    @rule(stage=STAGES, worker=WORKERS)
    def leave(self, stage: Stage, worker: str) -> None:
        announcement = Announcement(self._id(worker, stage), Queue(stage), 2, REVISION)
        self._both(lambda world: self._leases(world).leave(announcement))

    @rule(seconds=st.sampled_from([0.001, 4, 11, 60]))
    def wait(self, seconds: float) -> None:
        """Longer than half a lease without a call: the store stood still, restarted, or its clock was set forward."""
        self._both(lambda world: world.clock.advance(seconds))

    @rule(seconds=st.sampled_from([0.001, 4, 60]))
    def set_the_clock_back(self, seconds: float) -> None:
        self.behind_s += seconds
        self._both(lambda world: world.clock.advance(-seconds))

    @rule()
    def outlive_leases(self) -> None:
        """The store is well, and somebody else beats."""
        self._outlive_leases()

    @rule()
    def keep_up(self) -> None:
        self._both(lambda world: (world.rescue(STRIKES), world.upkeep.expire()))

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(self.ids))
        self._both(lambda world: world.jobs.cancel(job_id, DEFAULT_TENANT))

    @precondition(lambda self: self.ids)
    @rule(data=st.data(), is_late=st.booleans())
    def retry_job(self, data: st.DataObject, is_late: bool) -> None:
        """Also of jobs that are at work or have succeeded, with a deadline that is over, and beyond the limit."""
        job = self.worlds[0].job(data.draw(st.sampled_from(self.ids)))
        deadline = datetime.fromtimestamp(START_MS / 1000 - 1, UTC) if is_late else None
        answers = self._both(lambda world: retried(world, job, deadline))
        if answers != "refused" and job.status.is_final:
            self.revived.add(job.job_id)
            self.revivable |= {render.render_id for render in job.renders if render.picture is None}

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def delete_job(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(self.ids))
        is_final = self.worlds[0].job(job_id).status.is_final
        assert self._both(lambda world: deleted(world, job_id)) == is_final
        if is_final:
            self.ids.remove(job_id)
            assert self._both(lambda world: deleted(world, job_id)) == "unknown"

    @precondition(lambda self: self.worlds[1].dead_letters.letters(DEFAULT_TENANT, limit=1, after=None))
    @rule(revive=st.booleans())
    def attend_to_a_dead_letter(self, revive: bool) -> None:
        letters = self._both(lambda world: world.dead_letters.letters(DEFAULT_TENANT, limit=9, after=None))
        render_id = letters[0].render_id
        if revive:
            self._both(lambda world: world.dead_letters.requeue(render_id, DEFAULT_TENANT))
            self.revived.add(letters[0].job_id)
            self.revivable.add(render_id)
        else:
            self._both(lambda world: world.dead_letters.purge(render_id, DEFAULT_TENANT))

    @invariant()
    def a_tenants_load_is_what_its_renders_say(self) -> None:
        self._both(lambda world: world.jobs.load(DEFAULT_TENANT))

    @invariant()
    def the_queue_is_what_its_renders_say(self) -> None:
        self._both(lambda world: world.pace.loads())
        for job_id in self.ids[-2:]:
            real, twin = (world.pace.place(world.job(job_id)) for world in self.worlds)
            assert (real and replace(real, eta_s=None)) == (twin and replace(twin, eta_s=None))

    @invariant()
    def both_stores_agree_and_states_move_along_arrows(self) -> None:
        for job_id in self.ids:
            job = self._both(lambda world: world.job(job_id))  # noqa: B023 - called at once
            for render in job.renders:
                self._check_arrow(render.render_id, render.state)
            states = [render.state for render in job.renders]
            assert job.status.is_final == all(state.is_final for state in states)
            if job.status.is_final:
                assert job.status is final_status(states)
        self.revivable.clear()

    @invariant()
    def what_was_handed_over_is_deleted_at_the_same_time(self) -> None:
        self._both(lambda world: world.handovers.ended(1_000))

    def _check_arrow(self, render_id: RenderId, state: RenderState) -> None:
        before = self.seen.get(render_id, RenderState.QUEUED)
        allowed = {before, *ARROWS[before], *(end for step in ARROWS[before] for end in ARROWS[step])}
        if render_id in self.revivable:
            allowed |= set(REVIVALS[before])
        assert state in allowed, f"{before} -> {state}"
        self.seen[render_id] = state

    def teardown(self) -> None:
        """Everybody is dead, and a new worker takes all that waits: every accepted render ends, and is told of once."""
        self._both(lambda world: world.clock.advance(self.behind_s))
        for _ in range(2):
            self._outlive_leases()
            self._both(lambda world: world.rescue(STRIKES))
        self._both(lambda world: world.upkeep.abandon_enhancements(0))
        while any(self._take_and_finish(stage) for stage in Stage):
            pass
        jobs = [self._both(lambda world: world.job(job_id)) for job_id in self.ids]  # noqa: B023 - called at once
        sent = self._both(all_deliveries)
        assert len(set(sent)) == len(sent)
        assert sorted(re.sub(r"_\d+$", "", name) for name in sent) == sorted(
            name for job in jobs for name in (job.job_id, message_id(job.job_id, job.status))
        )
        for job in jobs:
            self._check_ended(job)

    def _check_ended(self, job: Job) -> None:
        assert job.status.is_final
        kinds = self._both(lambda world: [e.type for e in world.jobs.events(job.job_id, after="0")])
        of_job = [kind for kind in kinds if kind.startswith("job.")]
        assert of_job.count("job.succeeded") == (job.status is JobStatus.SUCCEEDED)
        if job.job_id not in self.revived:
            told = ["job.queued", f"job.{job.status}"]
            assert [kind for kind in of_job if kind not in ("job.enhancing", "job.enhanced")] == told
        assert of_job.count("job.enhanced") == job.spec.enhance_prompt

    def _take_and_finish(self, stage: Stage) -> bool:
        twins = [self._leases(world).claim(stage, REVISION, WorkerId(f"last-{stage}")) for world in self.worlds]
        for world, claim in zip(self.worlds, twins, strict=True):
            if claim:
                assert answer(self._leases(world), claim, "finish") != "lost"
        return twins[0] is not None

    def _outlive_leases(self) -> None:
        for _ in range(3):
            self._both(lambda world: (self._leases(world).beat(BYSTANDER, []), world.clock.advance(RULES.ttl_s / 2)))

    def _both(self, do: Callable[[World], Any]) -> Any:
        real, twin = (do(world) for world in self.worlds)
        assert comparable(real) == comparable(twin)
        return real

    def _leases(self, world: World) -> Leases:
        return world.leases_under(RULES)

    def _id(self, worker: str, stage: Stage) -> WorkerId:
        return WorkerId(f"{stage}-{worker}-{self.lives.get(worker, 0)}")

    def _state(self, claim: Claim) -> RenderState | None:
        """None for a render of a deleted job."""
        if claim.job_id not in self.ids:
            return None
        return self.worlds[0].job(claim.job_id).renders[claim.index].state


def test_any_interleaving_keeps_the_promises(client: Client, still_clock: None) -> None:
    StoreMachine.client = client
    machine = StoreMachine.TestCase()
    machine.settings = settings(
        max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
    )
    machine.runTest()
