"""The one thread that owns a device: admits claims, steps the stage's engine and passes outcomes on."""

import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

import structlog

from shared.errors import GridpressError
from shared.ids import RenderId
from shared.jobs.leases import Claim, Held, Lease, Progress
from workers.engine.slots import Slots
from workers.engine.step_times import StepTimes
from workers.engine.stepper import Outcome, Stepper, Unfinished, crashed
from workers.engine.watchdog import Phase, Watchdog

log = structlog.get_logger()

Result = TypeVar("Result")
_IDLE_POLL_S = 0.2  # how often an idle engine looks whether it is to stop
_NOT_BEGUN = Progress(0, 0)


def _nothing(_: RenderId) -> None:
    """For a stage that starts a render again."""


class EngineThread(Generic[Result]):
    """Runs a `Stepper` over the renders in `Slots`.

    `on_outcome` runs on the engine thread and must only pass the outcome on; the recorder calls `release` later.
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
        """`announce` has the store told which renders are `held`, and returns at once. It is called before a step whose
        members the store does not know. `on_lost` ends the process when its device is unusable. `on_step` hears how
        many seconds each step took. `unfinished` is called on the engine thread and returns what a render that leaves
        has come to.
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
        self._inbox: queue.SimpleQueue[Claim] = queue.SimpleQueue()
        self._unwanted: queue.SimpleQueue[Lease] = queue.SimpleQueue()
        self._leaving: queue.SimpleQueue[tuple[Lease, Future[Unfinished | None]]] = queue.SimpleQueue()
        self._progress: Mapping[RenderId, Progress] = {}
        self._in_step: frozenset[RenderId] = frozenset()
        # Leases that were in a step, and those that the store was told to be out of it. A claim says of its render that
        # it is in the step, and that stands until its first step: should that kill the process, its members are known
        # however late the next heartbeat is.
        self._begun: frozenset[Lease] = frozenset()
        self._told_out: frozenset[Lease] = frozenset()
        self._telling = threading.Lock()  # what is told and what is entered must not pass each other
        self._is_stopped = False
        self._has_stepped = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, claim: Claim) -> None:
        """Passes on a claim that has a slot and whose inputs are loaded."""
        self._inbox.put(claim)

    def progress(self) -> Mapping[RenderId, Progress]:
        """Returns the progress of every render that was in the stepper after its last step."""
        return self._progress

    def left_s(self, render_id: RenderId) -> float | None:
        """Returns the seconds of the device until a render ends, by the time of its steps; None before the first."""
        seen, step_s = self._progress.get(render_id), self.step_times.seconds_a_step(render_id)
        return (seen.total - seen.done) * step_s if seen and step_s is not None else None

    def held(self) -> Sequence[Held]:
        """Returns every lease to renew, with its progress and whether it is in the running step or was in none yet."""
        with self._telling:
            progress, in_step, begun, claims = self._progress, self._in_step, self._begun, self._slots.held()
            out = frozenset(claim.lease for claim in claims if claim.render_id not in in_step and claim.lease in begun)
            self._told_out = out
        return [
            Held(claim.lease, progress.get(claim.render_id, _NOT_BEGUN), claim.lease not in out) for claim in claims
        ]

    def revoke(self, leases: Collection[Lease]) -> None:
        """Drops renders before the next step, because they were cancelled or their leases lost."""
        for lease in leases:
            self._unwanted.put(lease)

    def take_out(self, lease: Lease) -> Future[Unfinished | None]:
        """Drops a render before the next step; its slot stays held. The future gets what it has come to, if
        anything.
        """
        taken: Future[Unfinished | None] = Future()
        self._leaving.put((lease, taken))
        return taken

    def has_begun(self, lease: Lease) -> bool:
        """Returns whether a render was in a step under this lease."""
        return lease in self._begun

    @property
    def in_step(self) -> Collection[RenderId]:
        """Returns whom the running step, or the last one, computes for."""
        return self._in_step

    def stop(self, wait_s: float) -> None:
        """Ends the loop after the running step. Waits for it for at most `wait_s`."""
        self._is_stopped = True
        self._thread.join(wait_s)

    @property
    def is_left_behind(self) -> bool:
        """Returns whether a step still runs after `stop` gave up waiting for it."""
        return self._is_stopped and self._thread.is_alive()

    def _run(self) -> None:
        """Runs the loop. If it ends other than by `stop`, the process ends: without its engine a worker would only hold
        renders.

        After `stop` nobody receives outcomes, so an error of the last step is ignored.
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
        """Admits all claims so far. Waits for one only when the stepper is idle."""
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
            return  # lost, or claimed again, before it came to that
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
        self._progress = dict(self._stepper.progress())
        if phase is not Phase.WAITING:
            self._has_stepped = True
            self._on_step(took_s)
            self.step_times.note(members, took_s, self._progress)
        for outcome in outcomes:
            self._pass_on(outcome)

    def _phase_of_step(self) -> Phase:
        if self._stepper.is_waiting:
            return Phase.WAITING
        return Phase.STEP if self._has_stepped else Phase.FIRST_STEP

    def _enter(self, phase: Phase, members: Collection[RenderId]) -> None:
        """Records that the next computation is for `members`. They stay recorded until the next call, since a report
        may come any time.
        """
        self._watchdog.enter(phase, time.monotonic())
        claims = self._slots.held()
        with self._telling:
            known, self._in_step = self._in_step, frozenset(members)
            is_told = self._in_step <= known or self._is_as_told(claims)
            if phase is not Phase.ADMISSION:
                entered = frozenset(claim.lease for claim in claims if claim.render_id in self._in_step)
                self._begun = entered | (self._begun & {claim.lease for claim in claims})
        if not is_told:
            self._announce()

    def _is_as_told(self, claims: Sequence[Claim]) -> bool:
        """Returns whether the store names exactly the members of this step, as after a claim of an idle worker."""
        return all((claim.render_id in self._in_step) != (claim.lease in self._told_out) for claim in claims)

    def _pass_on(self, outcome: Outcome[Result]) -> None:
        self._slots.finish(outcome.claim.lease)
        self._on_outcome(outcome)

    def _fail_all(self) -> Sequence[Outcome[Result]]:
        """Fails every render of a step that raised, so that none hangs."""
        running = [claim for claim, _ in self._slots.running() if claim.render_id in self._stepper.progress()]
        for claim in running:
            self._stepper.drop(claim.render_id)
        return [crashed(claim) for claim in running]
