"""Any interleaving of clients, workers and upkeep over the real store keeps its promises."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule

from shared.errors import LeaseLost
from shared.ids import DEFAULT_TENANT, Fence, JobId, RenderId, new_job_id, split_render_id
from shared.jobs import Claim
from shared.states import ARROWS, RenderState, Stage, final_status
from shared.store.connect import Client
from shared.store.jobs import JobStore
from shared.store.leases import LeaseRules, LeaseStore
from shared.store.upkeep import UpkeepStore
from tests.store.builders import REVISION, a_picture, a_prior, a_spec

STAGES = st.sampled_from(list(Stage))


class StoreMachine(RuleBasedStateMachine):
    """`client` is set by the test. Leases of length 0 are expired at once, so a rescue may come at any moment."""

    client: Client
    claims: Bundle[Claim] = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.client.flushdb()
        self.jobs = JobStore(self.client)
        self.live = LeaseStore(self.client, LeaseRules(ttl_s=60, prior_ready_limit_min=3))
        self.dying = LeaseStore(self.client, LeaseRules(ttl_s=0, prior_ready_limit_min=3))
        self.upkeep = UpkeepStore(self.client)
        self.submitted: list[JobId] = []
        self.seen: dict[RenderId, RenderState] = {}
        self.fences: dict[RenderId, Fence] = {}

    @rule(n=st.integers(1, 3))
    def submit(self, n: int) -> None:
        self.submitted.append(self.jobs.submit(new_job_id(), a_spec(n=n)).job_id)

    @rule(target=claims, stage=STAGES, dies=st.booleans())
    def claim(self, stage: Stage, dies: bool) -> object:
        claim = (self.dying if dies else self.live).claim(stage, REVISION)
        if claim is None:
            return multiple()
        assert claim.lease.fence > self.fences.get(claim.render_id, 0), "a fence only grows"
        assert (claim.prior is not None) == (stage is Stage.DIT)
        self.fences[claim.render_id] = claim.lease.fence
        return claim

    @rule(claim=claims, how=st.sampled_from(["finish", "fail", "hand_back"]))
    def write(self, claim: Claim, how: str) -> None:
        before = self._state(claim.render_id)
        is_current = claim.lease.fence == self.fences[claim.render_id]
        try:
            self._write(claim, how)
        except LeaseLost:
            assert self._state(claim.render_id) is before, "a refused write changes nothing"
        else:
            assert is_current, "a smaller fence never writes"

    @rule()
    def rescue(self) -> None:
        self.upkeep.rescue(max_attempts=3)

    @precondition(lambda self: self.submitted)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.jobs.cancel(data.draw(st.sampled_from(self.submitted)), DEFAULT_TENANT)

    @invariant()
    def states_move_along_arrows_and_jobs_agree_with_their_renders(self) -> None:
        for job_id in self.submitted:
            job = self.jobs.job(job_id, DEFAULT_TENANT)
            for render in job.renders:
                before = self.seen.get(render.render_id, RenderState.QUEUED)
                assert render.state in _reachable(before), f"{before} -> {render.state}"
                self.seen[render.render_id] = render.state
            states = [render.state for render in job.renders]
            assert job.status.is_final == all(state.is_final for state in states)
            if job.status.is_final:
                assert job.status is final_status(states)

    def teardown(self) -> None:
        """Live workers finish everything: every accepted render ends, with one final event and one manifest a job."""
        self.client.delete("gridpress:leases")
        for render_id, state in self.seen.items():
            if state in (RenderState.PRIOR_RUNNING, RenderState.DECODE_RUNNING):
                self.client.zadd("gridpress:leases", {render_id: 0})
        self.upkeep.rescue(max_attempts=99)
        while any(self._take_and_finish(stage) for stage in Stage):
            pass
        for job_id in self.submitted:
            self._check_ended(job_id)

    def _check_ended(self, job_id: JobId) -> None:
        job = self.jobs.job(job_id, DEFAULT_TENANT)
        assert job.status.is_final
        events = [event.type for event in self.jobs.events(job_id, after="0", block_s=0.01)]
        assert [kind for kind in events if kind.startswith("job.")] == ["job.queued", f"job.{job.status}"]
        assert self.client.zscore("gridpress:deliveries", f"manifest:{job_id}") is not None

    def _take_and_finish(self, stage: Stage) -> bool:
        claim = self.live.claim(stage, REVISION)
        if claim:
            self._write(claim, "finish")
        return claim is not None

    def _write(self, claim: Claim, how: str) -> None:
        if how == "fail":
            self.live.fail(claim.lease, {"code": "test", "message": "", "stage": claim.lease.stage})
        elif how == "hand_back":
            self.live.hand_back(claim.lease)
        elif claim.lease.stage is Stage.AR:
            self.live.finish_prior(claim.lease, a_prior())
        else:
            self.live.finish_picture(claim.lease, a_picture())

    def _state(self, render_id: RenderId) -> RenderState:
        job_id, index = split_render_id(render_id)
        return self.jobs.job(job_id, DEFAULT_TENANT).renders[index].state


def _reachable(state: RenderState) -> set[RenderState]:
    """States that one rule may lead to: at most two arrows (a rescue may fail a render, a claim follows nothing)."""
    return {state, *ARROWS[state]}


def test_any_interleaving_keeps_the_promises(client: Client) -> None:
    StoreMachine.client = client
    machine = StoreMachine.TestCase()
    machine.settings = settings(
        max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
    )
    machine.runTest()
