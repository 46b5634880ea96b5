"""A service of one AR and one DiT worker on a virtual clock: the store is the twin, engines only take time."""

from collections.abc import Callable
from dataclasses import dataclass, field

from shared.hints.queues import Queue
from shared.ids import JobId, WorkerId
from shared.jobs.job import Picture
from shared.jobs.leases import Claim, spare_rows
from shared.jobs.spec import Priority
from shared.jobs.states import Stage
from shared.store.renders.leases import Announcement
from tests.shared.store.builders import REVISION, a_picture, a_prior, submitted
from tests.shared.store.world import World

TICK_S = 0.1
AR = Announcement(WorkerId("ar-1"), Queue.AR, 4, REVISION)
DIT = Announcement(WorkerId("dit-1"), Queue.DIT, 1, REVISION)


@dataclass(frozen=True)
class Told:
    """What a job was told at its submission, and how long it took. None: nothing was measured yet."""

    priority: Priority
    eta_s: float | None
    took_s: float

    @property
    def error(self) -> float:
        assert self.eta_s is not None
        return abs(self.eta_s - self.took_s) / self.took_s


@dataclass
class VirtualService:
    """All AR rows advance together. The DiT decodes one at a time: the higher class first, then the older claim.

    A person's render is claimed at once: in AR into the row that is kept for it, in the DiT beyond the slots.
    """

    ar_s: float
    dit_s: float
    tick_s: float = TICK_S
    picture_of: Callable[[Claim], Picture] = lambda claim: a_picture()
    world: World = field(default_factory=World.of_memory)
    now_s: float = 0.0
    told: list[Told] = field(default_factory=list)
    _open: dict[JobId, tuple[Priority, float | None, float]] = field(default_factory=dict)
    _left_s: dict[Stage, list[tuple[Claim, float]]] = field(default_factory=lambda: {stage: [] for stage in Stage})

    def submit(self, priority: Priority = Priority.INTERACTIVE) -> None:
        job = submitted(self.world.jobs, priority=priority)
        self._open[job.job_id] = (priority, self.world.pace.outlook(job).eta_s, self.now_s)

    def tick(self) -> None:
        for worker in (AR, DIT):
            self.world.leases.beat(worker, [])
        self._claim(Stage.AR, AR, self.ar_s)
        self._claim(Stage.DIT, DIT, self.dit_s)
        self.world.clock.advance(self.tick_s)
        self.now_s += self.tick_s
        self._advance(Stage.AR, len(self._left_s[Stage.AR]))
        self._advance(Stage.DIT, 1)

    def run_until(self, at_s: float) -> None:
        while self.now_s < at_s:
            self.tick()

    def run_out(self) -> None:
        while self._open:
            self.tick()

    def is_open(self, priority: Priority) -> bool:
        return any(each is priority for each, _, _ in self._open.values())

    def _claim(self, stage: Stage, worker: Announcement, seconds: float) -> None:
        held = self._left_s[stage]
        while len(held) < self._num_places(stage, worker):
            claim = self.world.leases.claim(stage, REVISION, worker.worker_id)
            if claim is None:
                return
            held.append((claim, seconds))
        held.sort(key=lambda each: each[0].priority.rank)

    def _num_places(self, stage: Stage, worker: Announcement) -> int:
        """Bulk leaves AR's spare row free; it is a person's that the next claim finds where one waits."""
        if self._has_person_in(stage):
            return worker.slots + (stage is Stage.DIT)
        num_persons = sum(claim.priority.rank == 0 for claim, _ in self._left_s[stage])
        spare = spare_rows(worker.slots) if stage is Stage.AR else 0
        return min(worker.slots, worker.slots - spare + num_persons)

    def _has_person_in(self, stage: Stage) -> bool:
        return any(
            priority is Priority.INTERACTIVE and self.world.job(job_id).renders[0].state is stage.waiting
            for job_id, (priority, _, _) in self._open.items()
        )

    def _advance(self, stage: Stage, num: int) -> None:
        held = self._left_s[stage]
        held[:num] = [(claim, left_s - self.tick_s) for claim, left_s in held[:num]]
        for claim, left_s in list(held):
            if left_s < self.tick_s / 2:
                held.remove((claim, left_s))
                self._finish(stage, claim)

    def _finish(self, stage: Stage, claim: Claim) -> None:
        if stage is Stage.AR:
            self.world.leases.finish_prior(claim.lease, a_prior())
            return
        self.world.leases.finish_picture(claim.lease, self.picture_of(claim))
        if claim.job_id in self._open:  # else it is the line of a batch
            priority, eta_s, since_s = self._open.pop(claim.job_id)
            self.told.append(Told(priority, eta_s, self.now_s - since_s))
