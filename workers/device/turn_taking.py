"""Wraps a stage's engine so that it takes turns with other processes on one device.

It knows nothing of tensors or files.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

import structlog

from shared.errors import GridpressError
from shared.ids import RenderId
from shared.jobs.leases import Claim, Progress
from workers.engine.device_turns import Demand, MoveTimes, TurnRules
from workers.engine.step_times import most_steps
from workers.engine.stepper import Outcome, Stepper, crashed
from workers.engine.workload import Workload

log = structlog.get_logger()

Result = TypeVar("Result")

# The longest wait in a step, so that the engine thread can handle revocations and the watchdog sees no hang.
_WAIT_S = 0.5
_POLL_S = 0.01


class Turns(Protocol):
    """The lock that decides which process has the device. `workers.device.lock.DeviceLock` implements it."""

    @property
    def is_held(self) -> bool: ...
    def try_acquire(self, want: Demand) -> bool: ...
    def next_demand(self) -> Demand | None: ...
    def give_up(self) -> None: ...


class Parking(Protocol):
    """The interface of an object that moves weights off the device when another process gets the device, and back
    later.
    """

    def park(self) -> None: ...
    def unpark(self) -> None: ...


class SharedDevice(Generic[Result]):
    """Wraps a stage's engine (a `Stepper`), so that the engine computes only while this process has the device.

    - The device is released only between steps: if the engine has no work, or if `rules` end the turn because another
      process waits.
    - `in_step` waits for the device for at most 0.5 s. If another process keeps the device, `in_step` returns no
      renders and `step` does nothing.
    - Admitting a render may compute, so a render is admitted in the next step in which this process has the device. If
      the admission fails, that step returns the failed outcome.
    """

    def __init__(
        self,
        stepper: Stepper[Result],
        turns: Turns,
        parking: Parking,
        *,
        is_device_lost: Callable[[Exception], bool],
        rules: TurnRules | None = None,
    ) -> None:
        """Wraps the engine `stepper`. `turns` is the lock on the device, `parking` moves weights off the device and
        back, and `rules` decide when a turn ends.

        By default the rules use the mean measured time of moving this engine's weights to the device and off it.
        """
        self._stepper = stepper
        self._turns = turns
        self._parking = parking
        self._is_device_lost = is_device_lost
        self._rules = rules
        self._moves = MoveTimes()
        self._unparked_in_s = self._since_s = 0.0
        self._waiting: dict[RenderId, Claim] = {}
        self._workload = Workload()

    def admit(self, claim: Claim) -> None:
        self.drop(claim.render_id)
        self._waiting[claim.render_id] = claim
        self._workload.add(claim)

    def in_step(self) -> Collection[RenderId]:
        if not self._has_device():
            return ()
        members = self._stepper.in_step()
        self._workload.note_batch(len(members))
        return {*self._waiting, *members}

    def step(self) -> Sequence[Outcome[Result]]:
        if not self._turns.is_held:
            return ()
        try:
            # Failed admissions are returned before a step runs: their outcomes would be lost if the step raised.
            outcomes = [*self._admit_waiting()] or self._timed_step()
            for outcome in outcomes:
                self._workload.remove(outcome.claim.render_id)
            return outcomes
        finally:
            self._end_turn_if_due()

    def drop(self, render_id: RenderId) -> None:
        self._waiting.pop(render_id, None)
        self._workload.remove(render_id)
        self._stepper.drop(render_id)
        if self.is_idle:
            self._end_turn()

    def progress(self) -> Mapping[RenderId, Progress]:
        return {**{render_id: Progress(0, 0) for render_id in self._waiting}, **self._stepper.progress()}

    @property
    def is_waiting(self) -> bool:
        """True if this process has the device, but its engine computes nothing until some of its renders are prepared.

        It is False while this process waits for its turn on the device, because the turn of another process may be
        long.
        """
        return self._turns.is_held and not self._waiting and self._stepper.is_waiting

    @property
    def is_idle(self) -> bool:
        return not self._waiting and self._stepper.is_idle

    def _has_device(self) -> bool:
        if self._turns.is_held:
            return True
        if not wait_for_turn(self._turns, _WAIT_S, self._demand()):
            return False
        began_s = time.monotonic()
        self._parking.unpark()
        self._since_s = time.monotonic()
        self._unparked_in_s = self._since_s - began_s
        return True

    def _demand(self) -> Demand:
        return self._workload.want(self._stepper.progress())

    def _timed_step(self) -> Sequence[Outcome[Result]]:
        began_s, only_waits = time.monotonic(), self._stepper.is_waiting
        before = dict(self._stepper.progress())
        outcomes = self._stepper.step()
        if not only_waits:
            num_steps = most_steps(before, self._stepper.progress())
            self._workload.note_steps(num_steps, time.monotonic() - began_s)
        return outcomes

    def _admit_waiting(self) -> Iterator[Outcome[Result]]:
        while self._waiting:
            claim = self._waiting.pop(next(iter(self._waiting)))
            try:
                self._stepper.admit(claim)
            except GridpressError as error:
                yield Outcome(claim, error=error)
            except Exception as error:
                if self._is_device_lost(error):
                    raise
                log.exception("render.not_admitted", **claim.log_ids)
                self._stepper.drop(claim.render_id)
                yield crashed(claim)

    def _end_turn_if_due(self) -> None:
        if self.is_idle or self._is_over():
            self._end_turn()

    def _is_over(self) -> bool:
        theirs = self._turns.next_demand()
        return theirs is not None and self.rules.is_over(self._demand(), theirs, time.monotonic() - self._since_s)

    @property
    def rules(self) -> TurnRules:
        """The rules for the end of the current turn."""
        if self._rules:
            return self._rules
        mean_s = self._moves.mean_s
        # In the first turn, only the move to the device has been measured.
        return TurnRules(move_s=self._unparked_in_s if mean_s is None else mean_s)

    def _end_turn(self) -> None:
        if self._turns.is_held:
            began_s = time.monotonic()
            self._parking.park()
            self._moves.note(self._unparked_in_s + time.monotonic() - began_s)
        self._turns.give_up()


def wait_for_turn(turns: Turns, timeout_s: float, want: Demand) -> bool:
    """Waits for the device for at most `timeout_s`. Returns whether this process has the device. If not, the process
    stays in line.
    """
    deadline_s = time.monotonic() + timeout_s
    while not turns.try_acquire(want):
        if time.monotonic() >= deadline_s:
            return False
        time.sleep(_POLL_S)
    return True


@contextmanager
def one_turn(turns: Turns) -> Iterator[None]:
    """Waits without a timeout for the device, and keeps the device while the body of the `with` statement runs. The
    worker loads its model there.
    """
    wait_for_turn(turns, float("inf"), Demand(0, float("inf")))
    try:
        yield
    finally:
        turns.give_up()
