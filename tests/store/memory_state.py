"""The state of the in-memory twin and its one verb, `move`. Plain Python, no Lua, no indexes: slow and easy to read."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.ids import Fence, HolderId, JobId, RenderId, Revision, TenantId, WorkerId
from shared.jobs import Crash, JobSpec, Picture, Place, Progress
from shared.limits import Load, TenantLimits
from shared.states import ARROWS, JobStatus, RenderState, Stage, final_status
from shared.store.deliveries import Delivery
from shared.store.jobs import JobEvent
from shared.token_grid import Prior
from tests.store.clocks import Clock

_NO_FENCE, _NO_REVISION = Fence(0), Revision("")


@dataclass(eq=False)
class RenderRecord:
    """All that is known of one render; what Lua deletes is None here."""

    render_id: RenderId
    index: int
    seed: int
    job: "JobRecord" = field(repr=False)
    state: RenderState = RenderState.QUEUED
    fence: Fence = _NO_FENCE
    holder: HolderId | None = None
    worker: WorkerId | None = None
    in_step: bool = False
    attempts: int = 0
    progress: Progress | None = None
    prior: Prior | None = None
    picture: Picture | None = None
    error: dict[str, object] | None = None
    ended_in: Place | None = None
    lease_ends_ms: int = 0
    expires_ms: float | None = None
    started_ms: int | None = None
    times_ms: dict[str, int] = field(default_factory=dict)
    best: int | None = None
    strikes: int = 0
    group: str | None = None
    crashes: list[Crash] = field(default_factory=list)
    dead_stage: Stage | None = None
    dead_ms: int = 0

    @property
    def stage(self) -> Stage | None:
        """The stage that the render is in or waits for."""
        return next((stage for stage in Stage if self.state in (stage.waiting, stage.running)), None)

    @property
    def is_running(self) -> bool:
        return self.state in (Stage.AR.running, Stage.DIT.running)

    def is_due(self, now_ms: int) -> bool:
        return self.expires_ms is not None and self.expires_ms <= now_ms

    def absolve(self) -> None:
        self.best, self.strikes, self.group, self.crashes = None, 0, None, []


@dataclass(eq=False)
class JobRecord:
    """A job and its renders in order of index."""

    job_id: JobId
    spec: JobSpec
    revision: Revision
    created_ms: int
    renders: list[RenderRecord] = field(default_factory=list)
    status: JobStatus = JobStatus.QUEUED
    started_ms: int | None = None
    finished_ms: int | None = None
    events: list[JobEvent] = field(default_factory=list)

    @property
    def rank(self) -> int:
        return self.created_ms + self.spec.priority.handicap_s * 1000

    def tell(self, type_: str, **data: object) -> None:
        self.events.append(JobEvent(f"{len(self.events) + 1}-0", type_, data))


@dataclass(eq=False)
class WorkerRecord:
    """An announcement and the last log lines. `slots` is 0 until the first heartbeat."""

    ends_ms: int
    slots: int = 0
    log_lines: tuple[str, ...] = ()


@dataclass(eq=False)
class DeliveryRecord:
    """One entry of the outbox; `due_ms` is None once it is over."""

    due_ms: int | None
    attempts: int = 0
    leased: Delivery | None = None


@dataclass(eq=False)
class Turn:
    """Which worker has the turn to run suspects."""

    worker: WorkerId | None = None
    has_started: bool = False
    ended_ms: int = 0


@dataclass
class Memory:
    """What the real store keeps in keys."""

    clock: Clock
    jobs: dict[JobId, JobRecord] = field(default_factory=dict)
    workers: dict[tuple[str, WorkerId], WorkerRecord] = field(default_factory=dict)
    turns: dict[Stage, Turn] = field(default_factory=lambda: {stage: Turn() for stage in Stage})
    deliveries: dict[str, DeliveryRecord] = field(default_factory=dict)
    limits: dict[TenantId, TenantLimits] = field(default_factory=dict)
    revision: Revision = _NO_REVISION

    @property
    def now_ms(self) -> int:
        return self.clock.now_ms()

    def renders(self) -> Iterator[RenderRecord]:
        for job in self.jobs.values():
            yield from job.renders

    def load(self, tenant: TenantId) -> Load:
        states = [r.state for r in self.renders() if r.job.spec.tenant == tenant and not r.state.is_final]
        queued = states.count(RenderState.QUEUED)
        return Load(queued, len(states) - queued)

    def limits_of(self, tenant: TenantId) -> TenantLimits:
        return self.limits.get(tenant, TenantLimits())

    def is_at_limit(self, tenant: TenantId) -> bool:
        most = self.limits_of(tenant).concurrent_renders
        return most is not None and self.load(tenant).running >= most

    def held(self, worker: WorkerId) -> list[RenderRecord]:
        return sorted((r for r in self.renders() if r.is_running and r.worker == worker), key=lambda r: r.render_id)

    def is_alive(self, stage: str, worker: WorkerId) -> bool:
        found = self.workers.get((stage, worker))
        return found is not None and found.ends_ms > self.now_ms

    def live_slots(self, queue: str) -> int:
        return sum(
            each.slots for (stage, _), each in self.workers.items() if stage == queue and each.ends_ms > self.now_ms
        )

    def move(self, render: RenderRecord, to: RenderState) -> bool:
        """Along one arrow with all its consequences. Returns whether this ended the job."""
        assert to in ARROWS[render.state]
        before, stage, job = render.state, render.stage, render.job
        is_retry = (
            render.is_running
            and to in (Stage.AR.waiting, Stage.DIT.waiting)
            and stage is not None
            and to is stage.waiting
        )
        render.state = to
        if not is_retry:
            render.times_ms["finished" if to.is_final else to] = self.now_ms
        if stage is not None and to is stage.done:
            render.absolve()
        if to in (Stage.AR.waiting, Stage.DIT.waiting):
            render.progress = None
        job.tell("render.stage", index=render.index, state=str(to))
        if render.is_running and job.status is JobStatus.QUEUED:
            job.status, job.started_ms = JobStatus.RUNNING, self.now_ms
        if to.is_final:
            self._end(render, before, stage)
        is_over = to.is_final and all(sibling.state.is_final for sibling in job.renders)
        if is_over:
            self._end_job(job)
        return is_over

    def expire_due(self) -> int:
        due = [render for render in self.renders() if render.is_due(self.now_ms)]
        for render in sorted(due, key=lambda r: (r.expires_ms, r.render_id)):
            self.expire(render)
        return len(due)

    def set_deadline(self, render: RenderRecord, timeout_s: float | None) -> None:
        deadline = render.job.spec.deadline
        ends = [] if timeout_s is None else [self.now_ms + int(timeout_s * 1000)]
        ends += [] if deadline is None else [int(deadline.timestamp() * 1000)]
        render.expires_ms = min(ends, default=None)

    def _end(self, render: RenderRecord, before: RenderState, stage: Stage | None) -> None:
        if render.state is not RenderState.SUCCEEDED:
            is_unstarted = before is RenderState.QUEUED and render.started_ms is None
            render.ended_in = Place.BEFORE_START if is_unstarted else Place(str(stage))
        render.progress = render.expires_ms = None
        if render.dead_stage is None:
            render.prior = None
            render.absolve()

    def _end_job(self, job: JobRecord) -> None:
        job.status = final_status(render.state for render in job.renders)
        job.finished_ms = self.now_ms
        end = f"job.{job.status}"
        job.tell(end, status=str(job.status))
        self.deliveries[f"manifest:{job.job_id}"] = DeliveryRecord(self.now_ms)
        if job.spec.webhook_url and (not job.spec.webhook_events or end in job.spec.webhook_events):
            self.deliveries[f"webhook:{job.job_id}:{end}"] = DeliveryRecord(self.now_ms)

    def expire(self, render: RenderRecord) -> None:
        deadline, has_started = render.job.spec.deadline, render.started_ms is not None
        code = "execution_timeout" if has_started else "start_timeout"
        if deadline is not None and int(deadline.timestamp() * 1000) <= self.now_ms:
            code = "deadline"
        render.error = {"code": code, "stage": str(render.stage) if has_started else None}
        self.move(render, RenderState.EXPIRED)


def moment(milliseconds: int | None) -> datetime | None:
    """Milliseconds as an aware time."""
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
