"""The one thread that owns a device: takes claims in, steps the stage's engine, passes outcomes on."""

import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Generic, TypeVar

import structlog

from shared.errors import GridpressError, RenderFailed
from shared.ids import RenderId
from shared.jobs import Claim, Lease, Progress
from workers.engine.stepper import Outcome, Stepper
from workers.engine.watchdog import Phase, Watchdog

log = structlog.get_logger()

Result = TypeVar("Result")
_IDLE_POLL_S = 0.2  # how often an idle engine looks for a drain
_LAST_STEP_S = 2.0  # a step that takes longer is left behind: the fence refuses what it might still write


class EngineThread(Generic[Result]):
    """Runs a `Stepper` and owns its slots: a render holds one from its claim until its outcome is recorded.

    `on_outcome` runs on the engine thread and must only pass the outcome on; whoever records it calls `release`.
    """

    def __init__(self, stepper: Stepper[Result], slots: int, on_outcome: Callable[[Outcome[Result]], None]) -> None:
        self.slots = slots
        self.watchdog = Watchdog()
        self._stepper = stepper
        self._on_outcome = on_outcome
        self._inbox: queue.SimpleQueue[Claim] = queue.SimpleQueue()
        self._unwanted: queue.SimpleQueue[RenderId] = queue.SimpleQueue()
        self._held: dict[RenderId, Claim] = {}
        self._taken_at_s: dict[RenderId, float] = {}
        self._reserved = 0
        self._changed = threading.Condition()
        self._progress: Mapping[RenderId, Progress] = {}
        self._is_draining = False
        self._is_stopped = False
        self._has_stepped = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self, claim: Callable[[], Claim | None], wait_s: float) -> bool:
        """Waits for a free slot, then claims into it. False when no slot came free, nothing waited, or we drain."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_draining or self._num_taken < self.slots, wait_s)
            if self._is_draining or self._num_taken >= self.slots:
                return False
            self._reserved += 1
        taken = None
        try:
            taken = claim()
        finally:
            with self._changed:
                self._reserved -= 1
                if taken:
                    self._held[taken.render_id] = taken
                    self._taken_at_s[taken.render_id] = time.monotonic()
                self._changed.notify_all()
        if taken:
            self._inbox.put(taken)
        return taken is not None

    def release(self, render_id: RenderId) -> None:
        """The render is recorded, handed back or lost: its slot is free."""
        with self._changed:
            self._held.pop(render_id, None)
            self._taken_at_s.pop(render_id, None)
            self._changed.notify_all()

    def held(self) -> Sequence[tuple[Lease, Progress]]:
        """Every lease that must be renewed, with its progress."""
        with self._changed:
            claims = list(self._held.values())
        return [(claim.lease, self._progress.get(claim.render_id, Progress(0, 0))) for claim in claims]

    def revoke(self, render_ids: Collection[RenderId]) -> None:
        """These renders are not ours any more (cancelled, lease lost): dropped before the next step."""
        for render_id in render_ids:
            self._unwanted.put(render_id)

    def drain(self, grace_s: float, hand_back: Callable[[Claim], None]) -> None:
        """Takes nothing more in, waits up to `grace_s` for what runs, stops the thread.

        What can't finish in that time, at the pace it has had so far, is handed back at once; the rest of what did not
        finish at the end.
        """
        self.refuse_work()
        for claim in self._too_slow(grace_s):
            self.revoke([claim.render_id])
            hand_back(claim)
        with self._changed:
            self._changed.wait_for(lambda: not self._num_taken, grace_s)
        self._is_stopped = True
        self._thread.join(_LAST_STEP_S)
        with self._changed:
            left = list(self._held.values())
        for claim in left:
            hand_back(claim)

    def refuse_work(self) -> None:
        """From now on `take` answers False, also to those who wait in it."""
        with self._changed:
            self._is_draining = True
            self._changed.notify_all()

    def _too_slow(self, grace_s: float) -> Sequence[Claim]:
        """Renders in the stepper whose steps to come take longer than `grace_s` at their pace since admission."""
        now_s, progress = time.monotonic(), self._progress
        with self._changed:
            held = [claim for claim in self._held.values() if claim.render_id in progress]
            taken_at_s = dict(self._taken_at_s)
        return [
            claim
            for claim in held
            if _remaining_s(progress[claim.render_id], now_s - taken_at_s[claim.render_id]) > grace_s
        ]

    @property
    def _num_taken(self) -> int:
        return len(self._held) + self._reserved

    def _run(self) -> None:
        while not self._is_stopped:
            self._admit_claimed()
            self._drop_unwanted()
            if self._stepper.is_idle:
                self.watchdog.enter(Phase.IDLE, time.monotonic())
                continue
            self._step()

    def _admit_claimed(self) -> None:
        """Admits everything claimed so far; waits for it only when there is nothing to step."""
        may_wait = self._stepper.is_idle
        while True:
            try:
                claim = self._inbox.get(block=may_wait, timeout=_IDLE_POLL_S)
            except queue.Empty:
                return
            may_wait = False
            try:
                self._stepper.admit(claim)
            except GridpressError as error:
                self._on_outcome(Outcome(claim, error=error))

    def _drop_unwanted(self) -> None:
        while not self._unwanted.empty():
            render_id = self._unwanted.get()
            self._stepper.drop(render_id)
            self.release(render_id)
            log.info("render.dropped", render_id=render_id)

    def _step(self) -> None:
        self.watchdog.enter(Phase.STEP if self._has_stepped else Phase.FIRST_STEP, time.monotonic())
        try:
            outcomes = self._stepper.step()
        except Exception:
            log.exception("engine.step_failed")
            outcomes = self._fail_all()
        self._has_stepped = True
        self._progress = dict(self._stepper.progress())
        for outcome in outcomes:
            self._on_outcome(outcome)

    def _fail_all(self) -> Sequence[Outcome[Result]]:
        """A step that raises breaks the engine's promise; everything in it fails by name rather than hanging."""
        running = [claim for claim in list(self._held.values()) if claim.render_id in self._stepper.progress()]
        for claim in running:
            self._stepper.drop(claim.render_id)
        error = RenderFailed("engine_error", "the engine failed unexpectedly; the worker's log has the details")
        return [Outcome(claim, error=error) for claim in running]


def _remaining_s(progress: Progress, elapsed_s: float) -> float:
    """Infinite before the first step: there is no pace yet."""
    return elapsed_s * (progress.total - progress.done) / progress.done if progress.done else float("inf")
