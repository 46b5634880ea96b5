"""The state of the in-memory twin and its one verb, `move`. Plain Python, no Lua, no indexes: slow and easy to read."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.access.limits import Load, TenantLimits
from shared.ids import Fence, HolderId, JobId, ObjectKey, RenderId, Revision, TenantId, WorkerId
from shared.jobs.dead_letters import Crash
from shared.jobs.enhancement import Enhancement, EnhancementStatus
from shared.jobs.job import EndedIn, Picture
from shared.jobs.leases import Handover, Progress
from shared.jobs.spec import JobSpec, Priority
from shared.jobs.states import ARROWS, JobStatus, RenderState, Stage, final_status
from shared.jobs.token_grid import Prior
from shared.schedule.cost import cost_of
from shared.store.jobs.jobs import JobEvent
from tests.shared.store.clocks import Clock
from tests.shared.store.memory_shares import Pool, Shares

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
    prior_engine: Mapping[str, str] = field(default_factory=dict)
    picture: Picture | None = None
    error: dict[str, object] | None = None
    ended_in: EndedIn | None = None
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
    handover: Handover | None = None
    device_ms: int | None = None

    @property
    def stage(self) -> Stage | None:
        """The stage that the render is in or waits for."""
        return next((stage for stage in Stage if self.state in (stage.waiting, stage.running)), None)

    @property
    def is_running(self) -> bool:
        return self.state in (Stage.AR.running, Stage.DIT.running)

    @property
    def is_begun(self) -> bool:
        """Whether it counts against its tenant's concurrent renders."""
        return self.is_running or (self.state is RenderState.PRIOR_READY and self.started_ms is not None)

    @property
    def is_unbegun_decode(self) -> bool:
        """A re-render that no worker has leased yet."""
        return self.state is RenderState.PRIOR_READY and self.started_ms is None

    def is_due(self, now_ms: int) -> bool:
        return self.expires_ms is not None and self.expires_ms <= now_ms

    def absolve(self) -> None:
        self.best, self.strikes, self.group, self.crashes = None, 0, None, []


@dataclass(eq=False)
class EnhancementRecord:
    """A job's stay in the stage before AR; `due_ms` is None once it is decided."""

    due_ms: int | None
    attempts: int = 0
    holder: HolderId | None = None
    decided: Enhancement = field(default_factory=lambda: Enhancement(EnhancementStatus.PENDING))


@dataclass(eq=False)
class JobRecord:
    """A job and its renders in order of index. Until its first claim `revision` only says who looks for it first."""

    job_id: JobId
    spec: JobSpec
    revision: Revision
    created_ms: int
    renders: list[RenderRecord] = field(default_factory=list)
    status: JobStatus = JobStatus.QUEUED
    started_ms: int | None = None
    finished_ms: int | None = None
    events: list[JobEvent] = field(default_factory=list)
    enhancement: EnhancementRecord | None = None
    fingerprint: str = ""
    revivals: int = 0
    ranked_ms: int | None = None
    is_pinned: bool = False

    @property
    def rank(self) -> int:
        return (self.created_ms if self.ranked_ms is None else self.ranked_ms) + self.spec.priority.handicap_s * 1000

    @property
    def end_message_id(self) -> str:
        """Of the end that it has, or has had last."""
        life = f"_{self.revivals}" if self.revivals else ""
        return f"evt_{self.job_id.removeprefix('job_')}_job_{self.status}{life}"

    @property
    def is_enhancing(self) -> bool:
        return self.enhancement is not None and self.enhancement.due_ms is not None

    @property
    def prompt(self) -> str:
        revised = self.enhancement.decided.revised_prompt if self.enhancement else None
        return revised or self.spec.settings.prompt

    def decide_enhancement(self, decided: Enhancement) -> None:
        assert self.enhancement
        self.enhancement.due_ms, self.enhancement.decided = None, decided
        self.tell("job.enhanced", status=decided.status, revised_prompt=decided.revised_prompt, error=decided.error)

    def tell(self, type_: str, **data: object) -> None:
        self.events.append(JobEvent(f"{len(self.events) + 1}-0", type_, data))


@dataclass(eq=False)
class WorkerRecord:
    """An announcement and the last log lines. `slots` is 0 until the first heartbeat."""

    ends_ms: int
    slots: int = 0
    revision: Revision | None = None
    log_lines: tuple[str, ...] = ()


@dataclass(eq=False)
class DueRecord:
    """One manifest or webhook that is to be delivered; `due_ms` is when it, or its lease, is over."""

    due_ms: int
    attempts: int = 0
    holder: HolderId | None = None


@dataclass(eq=False)
class MessageRecord:
    """What the end of a job is told as, to its own URL."""

    job: JobRecord
    event_type: str
    at_ms: int
    sequence: int
    delivery: DueRecord | None


@dataclass(eq=False)
class Turns:
    """Which workers have a turn to run suspects, and whether they have started."""

    has_started: dict[WorkerId, bool] = field(default_factory=dict)
    ended_ms: int = 0


@dataclass(eq=False)
class Pulse:
    """When the store was last seen to serve, and from when on leases that ended are lost."""

    seen_ms: int
    trusted_ms: int
    ttl_ms: int


@dataclass(eq=False)
class Sums:
    """Of the renders that finished a stage, the later the heavier: milliseconds, cost and number."""

    ms: float = 0
    cost: float = 0
    num: float = 0
    step_from: float = 0
    step_from_ms: int = 0

    def add(self, ms: float, cost: int, weight: float, now_ms: int) -> None:
        """As shared/store/queues/throughput.lua, in the same order: the sums are equal to the last bit."""
        is_settled, kept = self.num >= 5 and self.ms > 0, 1 - 0.05 * weight
        if is_settled:
            average = self.ms / self.cost
            ms = max(average / 4 * cost, min(ms, average * 4 * cost))
            if now_ms - self.step_from_ms >= 30_000:
                self.step_from, self.step_from_ms = average, now_ms
        self.ms, self.cost = kept * self.ms + weight * ms, kept * self.cost + weight * cost
        if is_settled:
            self.ms = max(self.step_from / 2 * self.cost, min(self.ms, self.step_from * 2 * self.cost))
        self.num = kept * self.num + weight


@dataclass(eq=False)
class RecentWork:
    """The cost of the renders of each class that finished, and that fades over a quarter of an hour."""

    sums: dict[Priority, float] = field(default_factory=lambda: dict.fromkeys(Priority, 0.0))
    from_ms: int | None = None
    at_ms: int = 0

    def add(self, priority: Priority, cost: int, now_ms: int) -> None:
        self.sums, self.at_ms = self._now(now_ms), now_ms
        self.from_ms = now_ms if self.from_ms is None else self.from_ms
        self.sums[priority] += cost

    def per_s(self, now_ms: int) -> dict[Priority, float]:
        since_ms = now_ms if self.from_ms is None else self.from_ms
        measured_ms = max(60_000, 900_000 * (1 - math.exp((since_ms - now_ms) / 900_000)))
        return {priority: each / (measured_ms / 1000) for priority, each in self._now(now_ms).items()}

    def _now(self, now_ms: int) -> dict[Priority, float]:
        fades = 1 if self.from_ms is None else math.exp((self.at_ms - now_ms) / 900_000)
        return {priority: fades * each for priority, each in self.sums.items()}


@dataclass(eq=False)
class Paces:
    """Of one stage: renders as they took, and weighted by how full their workers were."""

    plain: Sums = field(default_factory=Sums)
    full: Sums = field(default_factory=Sums)
    recent: RecentWork = field(default_factory=RecentWork)

    def add(self, ms: int, cost: int, occupancy: float, now_ms: int, priority: Priority) -> None:
        self.plain.add(ms, cost, 1, now_ms)
        self.full.add(ms, cost, occupancy, now_ms)
        self.recent.add(priority, cost, now_ms)


@dataclass
class Memory:
    """What the real store keeps in keys."""

    clock: Clock
    jobs: dict[JobId, JobRecord] = field(default_factory=dict)
    workers: dict[tuple[str, WorkerId], WorkerRecord] = field(default_factory=dict)
    turns: dict[Stage, Turns] = field(default_factory=lambda: {stage: Turns() for stage in Stage})
    pulse: Pulse | None = None
    manifests: dict[JobId, DueRecord] = field(default_factory=dict)
    messages: dict[str, MessageRecord] = field(default_factory=dict)
    num_messages: dict[TenantId, int] = field(default_factory=dict)
    client_ids: dict[tuple[TenantId, str | None], JobId] = field(default_factory=dict)
    limits: dict[TenantId, TenantLimits] = field(default_factory=dict)
    revision: Revision = _NO_REVISION
    paces: dict[Stage, Paces] = field(default_factory=lambda: {stage: Paces() for stage in Stage})
    device_ms: dict[WorkerId, int] = field(default_factory=dict)
    last_workers: dict[str, tuple[int, Revision]] = field(default_factory=dict)
    kept_until_ms: dict[ObjectKey, int] = field(default_factory=dict)
    shares: Shares = field(init=False)

    def __post_init__(self) -> None:
        self.shares = Shares(self.clock.now_ms, lambda tenant: self.limits_of(tenant).weight or 1)

    @property
    def now_ms(self) -> int:
        return self.clock.now_ms()

    def renders(self) -> Iterator[RenderRecord]:
        for job in self.jobs.values():
            yield from job.renders

    def load(self, tenant: TenantId) -> Load:
        alive = [r for r in self.renders() if r.job.spec.tenant == tenant and not r.state.is_final]
        queued = sum(r.state is RenderState.QUEUED or r.is_unbegun_decode for r in alive)
        return Load(queued, len(alive) - queued)

    def limits_of(self, tenant: TenantId) -> TenantLimits:
        return self.limits.get(tenant, TenantLimits())

    def set_limits(self, tenant: TenantId, limits: TenantLimits) -> None:
        self.limits[tenant] = limits
        self.shares.unpark(tenant)

    def enter(self, render: RenderRecord) -> None:
        """It waits: its tenant competes."""
        if not render.group:
            self.shares.join(pool_of(render), render.job.spec.tenant)

    def is_at_limit(self, tenant: TenantId) -> bool:
        most = self.limits_of(tenant).concurrent_renders
        return most is not None and self.load(tenant).running >= most

    def held(self, worker: WorkerId) -> list[RenderRecord]:
        return sorted((r for r in self.renders() if r.is_running and r.worker == worker), key=lambda r: r.render_id)

    def is_alive(self, stage: str, worker: WorkerId) -> bool:
        found = self.workers.get((stage, worker))
        return found is not None and found.ends_ms > self.now_ms

    def num_live(self, stage: str) -> int:
        return sum(self.is_alive(of, worker) for of, worker in self.workers if of == stage)

    def feel_pulse(self, ttl_ms: int) -> bool:
        """Notes that the store serves. Returns whether leases that ended are lost."""
        known = self.pulse or Pulse(self.now_ms, self.now_ms, ttl_ms)
        gap_ms = self.now_ms - known.seen_ms
        if gap_ms < -ttl_ms / 2:
            self._cut_leases(self.now_ms + ttl_ms)
        trusted_ms = self.now_ms + ttl_ms if abs(gap_ms) > ttl_ms / 2 else known.trusted_ms
        if self.pulse is None or abs(gap_ms) >= ttl_ms / 50 or known.ttl_ms != ttl_ms:
            self.pulse = Pulse(self.now_ms, trusted_ms, ttl_ms)
        return self.now_ms >= trusted_ms

    def _cut_leases(self, latest_ms: int) -> None:
        for render in self.renders():
            render.lease_ends_ms = min(render.lease_ends_ms, latest_ms)
        for worker in self.workers.values():
            worker.ends_ms = min(worker.ends_ms, latest_ms)

    def live_slots(self, queue: str) -> int:
        return sum(
            each.slots for (stage, _), each in self.workers.items() if stage == queue and each.ends_ms > self.now_ms
        )

    def move(self, render: RenderRecord, to: RenderState) -> bool:
        """Along one arrow with all its consequences. Returns whether this ended the job."""
        assert to in ARROWS[render.state]
        if render.state is Stage.DIT.running and render.worker:
            self.give_device_time(render.worker)
        before, stage, job = render.state, render.stage, render.job
        is_retry = (
            render.is_running
            and to in (Stage.AR.waiting, Stage.DIT.waiting)
            and stage is not None
            and to is stage.waiting
        )
        was_begun, render.state = render.is_begun, to
        if was_begun and not render.is_begun:
            self.shares.unpark(job.spec.tenant)
        if is_retry:
            self.shares.refund(pool_of(render), job.spec.tenant, cost_in_stage(render))
        else:
            render.times_ms["finished" if to.is_final else to] = self.now_ms
        if stage is not None and to is stage.done:
            render.absolve()
        if to in (Stage.AR.waiting, Stage.DIT.waiting):
            render.progress = None
            self.enter(render)
        job.tell("render.stage", index=render.index, state=str(to))
        if render.is_running and job.status is JobStatus.QUEUED:
            job.status, job.started_ms = JobStatus.RUNNING, self.now_ms
        if to.is_final:
            self._end(render, before, stage)
        is_over = to.is_final and all(sibling.state.is_final for sibling in job.renders)
        if is_over:
            self._end_job(job)
        return is_over

    def give_device_time(self, worker: WorkerId) -> None:
        """Gives what passed since the last call to the render on this DiT worker's device."""
        since, self.device_ms[worker] = self.device_ms.get(worker), self.now_ms
        held = [render for render in self.held(worker) if render.state is Stage.DIT.running]
        if held and since is not None:
            first = min(held, key=lambda r: (r.job.spec.priority.rank, r.times_ms[Stage.DIT.running], r.render_id))
            first.device_ms = (first.device_ms or 0) + self.now_ms - since

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
            is_unstarted = before in (Stage.AR.waiting, Stage.DIT.waiting) and render.started_ms is None
            render.ended_in = EndedIn.BEFORE_START if is_unstarted else EndedIn(str(stage))
        render.progress = render.expires_ms = None
        self.end_handover(render)
        if render.state is RenderState.SUCCEEDED:
            render.prior = None
        if render.dead_stage is None:
            render.absolve()

    def kept_handover(self, render: RenderRecord) -> Handover | None:
        """Where its latents are, unless they are about to be deleted."""
        handover = render.handover
        return handover if handover and self.kept_until_ms.get(handover.key, 0) > self.now_ms else None

    def end_handover(self, render: RenderRecord) -> None:
        if render.handover and render.handover.key in self.kept_until_ms:
            self.kept_until_ms[render.handover.key] = self.now_ms
        render.handover = None

    def _end_job(self, job: JobRecord) -> None:
        job.status = final_status(render.state for render in job.renders)
        job.finished_ms = self.now_ms
        if job.is_enhancing:
            job.decide_enhancement(Enhancement(EnhancementStatus.FAILED, error={"code": "job_ended"}))
        end = f"job.{job.status}"
        job.tell(end, status=str(job.status))
        self.manifests[job.job_id] = DueRecord(self.now_ms)
        if job.spec.webhook_url and (not job.spec.webhook_events or end in job.spec.webhook_events):
            self._announce(job, end)

    def _announce(self, job: JobRecord, event_type: str) -> None:
        number = self.num_messages.get(job.spec.tenant, 0) + 1
        self.num_messages[job.spec.tenant] = number
        message = MessageRecord(job, event_type, self.now_ms, number, DueRecord(self.now_ms))
        self.messages[job.end_message_id] = message

    def reopen(self, job: JobRecord, event: str, **data: object) -> None:
        self.manifests.pop(job.job_id, None)
        if job.end_message_id in self.messages:
            self.messages[job.end_message_id].delivery = None
        job.revivals += 1
        job.status = JobStatus.QUEUED if job.started_ms is None else JobStatus.RUNNING
        job.finished_ms = None
        job.tell(event, **data)

    def revive(self, render: RenderRecord) -> None:
        render.state = RenderState.PRIOR_READY if render.prior else RenderState.QUEUED
        render.error = render.ended_in = render.started_ms = render.dead_stage = None
        render.times_ms.pop("finished", None)
        render.absolve()
        self.enter(render)
        self.set_deadline(render, render.job.spec.start_timeout_s)
        render.job.tell("render.stage", index=render.index, state=str(render.state))

    def forget(self, job: JobRecord) -> None:
        del self.jobs[job.job_id]
        self.client_ids = {name: known for name, known in self.client_ids.items() if known != job.job_id}
        self.manifests.pop(job.job_id, None)
        self.messages = {name: message for name, message in self.messages.items() if message.job is not job}

    def expire(self, render: RenderRecord) -> None:
        deadline, has_started = render.job.spec.deadline, render.started_ms is not None
        code = "execution_timeout" if has_started else "start_timeout"
        if deadline is not None and int(deadline.timestamp() * 1000) <= self.now_ms:
            code = "deadline"
        render.error = {"code": code, "stage": str(render.stage) if has_started else None}
        self.move(render, RenderState.EXPIRED)


def pool_of(render: RenderRecord) -> Pool:
    """Where a render that waits or runs competes."""
    assert render.stage
    return Pool(render.stage, render.job.spec.priority, render.job.revision)


def cost_in_stage(render: RenderRecord) -> int:
    cost = cost_of(render.job.spec.settings)
    return cost.ar if render.stage is Stage.AR else cost.dit


def moment(milliseconds: int | None) -> datetime | None:
    """Milliseconds as an aware time."""
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
