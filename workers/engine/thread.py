"""The only thread that uses a device. It admits claims, runs the stage's engine step by step and passes outcomes on."""

import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Generic, TypeVar

import structlog

from shared.errors import GridpressError
from shared.ids import RenderId
from shared.jobs.leases import Claim, Lease, Progress, RenderReport
from workers.engine.device_time import DeviceTime
from workers.engine.slots import Slots
from workers.engine.step_times import StepTimes
from workers.engine.stepper import Outcome, Stepper, Unfinished, crashed
from workers.engine.watchdog import Phase, Watchdog

log = structlog.get_logger()

Result = TypeVar("Result")
_IDLE_POLL_S = 0.2  # how often an idle engine checks whether it was stopped
_NOT_BEGUN = Progress(0, 0)


def _nothing(_: RenderId) -> None:
    """Returns no saved state. It is the default for a stage whose renders can't be continued and always start again."""


class EngineThread(Generic[Result]):
    """Runs a stage's engine (a `Stepper`) for the renders in `Slots`.

    `on_outcome` is called on this thread with each outcome and must return at once. Later, after the outcome is
    recorded, the recorder calls `Slots.release`.
    """

    def __init__(
        self,
        stepper: Stepper[Result],
        slots: Slots,
        on_outcome: Callable[[Outcome[Result]], None],
        *,
        watchdog: Watchdog,
        announce: Callable[[], None],
        is_device_lost: Callable[[Exception], bool],
        on_lost: Callable[[], None],
        on_step: Callable[[float], None] = lambda _: None,
        unfinished: Callable[[RenderId], Unfinished | None] = _nothing,
    ) -> None:
        """Creates the engine thread.

        - `announce` requests a heartbeat and returns at once. It is called before a step if the store does not know
          which renders are in that step.
        - `on_lost` ends the process when its device is unusable.
        - `on_step` is called after each step with the seconds that the step took.
        - `unfinished` returns the saved state of a render that is handed over. It is called on the engine thread.
        """
        self._stepper = stepper
        self._slots = slots
        self._on_outcome = on_outcome
        self._watchdog = watchdog
        self._announce = announce
        self._is_device_lost = is_device_lost
        self._on_lost = on_lost
        self._on_step = on_step
        self._unfinished = unfinished
        self.step_times = StepTimes()
        self._device_time = DeviceTime()
        self._inbox: queue.SimpleQueue[Claim] = queue.SimpleQueue()
        self._unwanted: queue.SimpleQueue[Lease] = queue.SimpleQueue()
        self._leaving: queue.SimpleQueue[tuple[Lease, Future[Unfinished | None]]] = queue.SimpleQueue()
        self._progress: Mapping[RenderId, Progress] = {}
        self._in_step: frozenset[RenderId] = frozenset()
        # `_begun`: leases that were in a step. `_reported_out`: leases that the last heartbeat reported as outside the
        # step. A claim records its render as in the step, and that stays so until the render's first step. If that step
        # kills the process, the store knows its members, however late the next heartbeat is.
        self._begun: frozenset[Lease] = frozenset()
        self._reported_out: frozenset[Lease] = frozenset()
        self._reporting = threading.Lock()  # makes a report and the entry into a step exclude each other
        self._is_stopped = False
        self._has_stepped = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, claim: Claim) -> None:
        """Queues a claimed render for admission to the engine. The render has a slot, and its inputs are loaded."""
        self._inbox.put(claim)

    def progress(self) -> Mapping[RenderId, Progress]:
        """Returns the progress of every render that was in the engine after the last step."""
        return self._progress

    def left_s(self, render_id: RenderId) -> float | None:
        """Returns the device time in seconds that a render still needs, estimated from the mean time of its steps.

        Returns None before the render's first step.
        """
        seen, step_s = self._progress.get(render_id), self.step_times.seconds_a_step(render_id)
        return (seen.total - seen.done) * step_s if seen and step_s is not None else None

    def held(self) -> Sequence[RenderReport]:
        """Returns one report for each lease that the worker holds. Heartbeats send these reports to the store. A report
        has the render's progress and its flag `in_step`.

        The flag is True if the render is in the running step. It is also True if the render has not yet been in any
        step.
        """
        with self._reporting:
            progress, in_step, begun, claims = self._progress, self._in_step, self._begun, self._slots.held()
            out = frozenset(claim.lease for claim in claims if claim.render_id not in in_step and claim.lease in begun)
            self._reported_out = out
        return [
            RenderReport(claim.lease, progress.get(claim.render_id, _NOT_BEGUN), claim.lease not in out)
            for claim in claims
        ]

    def revoke(self, leases: Collection[Lease]) -> None:
        """Drops the renders of these leases before the next step. They were cancelled, or their leases were lost."""
        for lease in leases:
            self._unwanted.put(lease)

    def take_out(self, lease: Lease) -> Future[Unfinished | None]:
        """Drops a render before the next step, to hand it over. Returns a future that gets the render's saved state, or
        None if the render has none.

        The render's slot stays occupied.
        """
        taken: Future[Unfinished | None] = Future()
        self._leaving.put((lease, taken))
        return taken

    def has_begun(self, lease: Lease) -> bool:
        """Returns whether the render has been in a step since this lease began."""
        return lease in self._begun

    @property
    def in_step(self) -> Collection[RenderId]:
        """Returns the renders of the running step or, between two steps, the renders of the last step."""
        return self._in_step

    def stop(self, wait_s: float) -> None:
        """Stops the thread after the running step. Waits at most `wait_s` seconds for that step."""
        self._is_stopped = True
        self._thread.join(wait_s)

    @property
    def is_left_behind(self) -> bool:
        """Returns whether a step still runs after `stop` has given up waiting for it."""
        return self._is_stopped and self._thread.is_alive()

    def _run(self) -> None:
        """Runs the thread's loop. If the loop fails, the process exits, because a worker without its engine would only
        hold leases and compute nothing.

        After `stop`, no other thread takes outcomes any more. So an error of the last step is only logged.
        """
        try:
            while not self._is_stopped:
                self._run_once()
        except BaseException as error:
            if self._is_stopped:
                log.info("engine.left_behind", error=str(error))
                return
            log.exception("engine.lost")
            self._on_lost()

    def _run_once(self) -> None:
        self._admit_claimed()
        self._drop_unwanted()
        self._take_out_leaving()
        if self._stepper.is_idle:
            self._in_step = frozenset()
            self._watchdog.enter(Phase.IDLE, time.monotonic())
        else:
            self._step()

    def _admit_claimed(self) -> None:
        """Admits all claims that are queued. If the engine is idle, waits up to 0.2 s for a claim."""
        may_wait = self._stepper.is_idle
        while True:
            try:
                claim = self._inbox.get(block=may_wait, timeout=_IDLE_POLL_S)
            except queue.Empty:
                return
            may_wait = False
            self._admit(claim)

    def _admit(self, claim: Claim) -> None:
        if not self._slots.holds(claim.lease):
            return  # the lease was lost, or the render claimed again, before its admission
        self._device_time.take(claim.render_id)  # of an earlier attempt whose lease was lost
        self._enter(Phase.ADMISSION, [claim.render_id])
        try:
            self._stepper.admit(claim)
        except GridpressError as error:
            self._pass_on(Outcome(claim, error=error))
        except Exception as error:
            if self._is_device_lost(error):
                raise
            log.exception("render.not_admitted", **claim.log_ids)
            self._stepper.drop(claim.render_id)
            self._pass_on(crashed(claim))

    def _drop_unwanted(self) -> None:
        while not self._unwanted.empty():
            lease = self._unwanted.get()
            if self._slots.holds(lease):
                self._stepper.drop(lease.render_id)
                self._device_time.take(lease.render_id)
                self._slots.release(lease)
                log.info("render.dropped", render_id=lease.render_id)

    def _take_out_leaving(self) -> None:
        while not self._leaving.empty():
            lease, taken = self._leaving.get()
            taken.set_result(self._taken_out(lease))

    def _taken_out(self, lease: Lease) -> Unfinished | None:
        try:
            return self._unfinished(lease.render_id)
        except Exception:
            log.exception("render.not_taken_out", render_id=lease.render_id)
            return None
        finally:
            self._stepper.drop(lease.render_id)
            self._device_time.take(lease.render_id)

    def _step(self) -> None:
        members = self._stepper.in_step()
        phase = self._phase_of_step()
        self._enter(phase, members)
        began_s = time.monotonic()
        try:
            outcomes = self._stepper.step()
        except Exception as error:
            if self._is_device_lost(error):
                raise
            log.exception("engine.step_failed")
            outcomes = self._fail_all()
        took_s = time.monotonic() - began_s
        before, self._progress = self._progress, dict(self._stepper.progress())
        if phase is not Phase.WAITING:
            self._has_stepped = True
            self._on_step(took_s)
            self.step_times.note(members, took_s, before, self._progress)
            self._device_time.note(members, took_s)
        for outcome in outcomes:
            self._pass_on(outcome)

    def _phase_of_step(self) -> Phase:
        if self._stepper.is_waiting:
            return Phase.WAITING
        return Phase.STEP if self._has_stepped else Phase.FIRST_STEP

    def _enter(self, phase: Phase, members: Collection[RenderId]) -> None:
        """Records for which renders (`members`) the next computation is. Requests a heartbeat if the store does not
        know these renders yet.

        The record stays until the next call, because a heartbeat may read it at any time.
        """
        self._watchdog.enter(phase, time.monotonic())
        claims = self._slots.held()
        with self._reporting:
            known, self._in_step = self._in_step, frozenset(members)
            is_reported = self._in_step <= known or self._matches_report(claims)
            if phase is not Phase.ADMISSION:
                entered = frozenset(claim.lease for claim in claims if claim.render_id in self._in_step)
                self._begun = entered | (self._begun & {claim.lease for claim in claims})
        if not is_reported:
            self._announce()

    def _matches_report(self, claims: Sequence[Claim]) -> bool:
        """Returns whether the store already knows exactly which renders are in this step, so that no heartbeat is
        needed.

        It is also True for the first step after an idle worker has claimed a render, because a claim records its render
        as being in the step.
        """
        return all((claim.render_id in self._in_step) != (claim.lease in self._reported_out) for claim in claims)

    def _pass_on(self, outcome: Outcome[Result]) -> None:
        self._slots.finish(outcome.claim.lease)
        self._on_outcome(replace(outcome, device_s=self._device_time.take(outcome.claim.render_id)))

    def _fail_all(self) -> Sequence[Outcome[Result]]:
        """Removes all renders from the engine after a step has raised an error. Returns failed outcomes for these
        renders, so that no render waits forever.
        """
        running = [claim for claim, _ in self._slots.running() if claim.render_id in self._stepper.progress()]
        for claim in running:
            self._stepper.drop(claim.render_id)
        return [crashed(claim) for claim in running]
