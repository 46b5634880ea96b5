"""A stage's engine that takes turns with other processes on one device. Knows nothing of tensors or files."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

import structlog

from shared.errors import GridpressError
from shared.ids import RenderId
from shared.jobs.leases import Claim, Progress
from workers.device.turns import TurnRules, Want
from workers.engine.stepper import Outcome, Stepper, crashed
from workers.stage.load import InHand

log = structlog.get_logger()

Result = TypeVar("Result")

# A step that only waited returns this soon, so that the engine thread sees revocations and its watchdog is content.
_WAIT_S = 0.5
_POLL_S = 0.01


class Turns(Protocol):
    """Whose turn it is; `workers.device.lock.DeviceLock` is the real one."""

    @property
    def is_held(self) -> bool: ...
    def try_acquire(self, want: Want) -> bool: ...
    def wanted(self) -> Want | None: ...
    def give_up(self) -> None: ...


class Parking(Protocol):
    """Where weights wait while another process has the device."""

    def park(self) -> None: ...
    def unpark(self) -> None: ...


class SharedDevice(Generic[Result]):
    """Implements `Stepper[Result]` around another: nothing of it computes but while this process has the device.

    The device is given up between steps: when the engine has nothing to do, and when `rules` say that another process
    which waits goes first.
    `in_step` waits for it, half a second at most; until it is there nobody is in the step, and the step does nothing.
    Admission may compute, so it happens in the next step; a render that is not admitted is that step's outcome.
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
        """Without `rules` they follow from the measured time of bringing weights to the device."""
        self._stepper = stepper
        self._turns = turns
        self._parking = parking
        self._is_device_lost = is_device_lost
        self._rules = rules
        self._since_s = 0.0
        self._waiting: dict[RenderId, Claim] = {}
        self._in_hand = InHand()

    def admit(self, claim: Claim) -> None:
        self.drop(claim.render_id)
        self._waiting[claim.render_id] = claim
        self._in_hand.add(claim)

    def in_step(self) -> Collection[RenderId]:
        if not self._has_device():
            return ()
        members = self._stepper.in_step()
        self._in_hand.see_together(len(members))
        return {*self._waiting, *members}

    def step(self) -> Sequence[Outcome[Result]]:
        if not self._turns.is_held:
            return ()
        try:
            # Who was not admitted is told at once: a step that raises would take the outcome along.
            outcomes = [*self._admit_waiting()] or self._timed_step()
            for outcome in outcomes:
                self._in_hand.remove(outcome.claim.render_id)
            return outcomes
        finally:
            self._end_turn_if_due()

    def drop(self, render_id: RenderId) -> None:
        self._waiting.pop(render_id, None)
        self._in_hand.remove(render_id)
        self._stepper.drop(render_id)
        if self.is_idle:
            self._end_turn()

    def progress(self) -> Mapping[RenderId, Progress]:
        return {**{render_id: Progress(0, 0) for render_id in self._waiting}, **self._stepper.progress()}

    @property
    def is_waiting(self) -> bool:
        """Another process's turn is as long as it is; only what our own engine waits for counts."""
        return self._turns.is_held and not self._waiting and self._stepper.is_waiting

    @property
    def is_idle(self) -> bool:
        return not self._waiting and self._stepper.is_idle

    def _has_device(self) -> bool:
        if self._turns.is_held:
            return True
        if not wait_for_turn(self._turns, _WAIT_S, self._want()):
            return False
        began_s = time.monotonic()
        self._parking.unpark()
        self._since_s = time.monotonic()
        self._rules = self._rules or TurnRules(move_s=self._since_s - began_s)
        return True

    def _want(self) -> Want:
        return self._in_hand.want(self._stepper.progress())

    def _timed_step(self) -> Sequence[Outcome[Result]]:
        began_s, only_waits = time.monotonic(), self._stepper.is_waiting
        outcomes = self._stepper.step()
        if not only_waits:
            self._in_hand.see_step(time.monotonic() - began_s)
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
        theirs = self._turns.wanted()
        assert self._rules
        return theirs is not None and self._rules.is_over(self._want(), theirs, time.monotonic() - self._since_s)

    def _end_turn(self) -> None:
        if self._turns.is_held:
            self._parking.park()
        self._turns.give_up()


def wait_for_turn(turns: Turns, timeout_s: float, want: Want) -> bool:
    """Whether the device came within `timeout_s`; if not, the place in line is kept."""
    deadline_s = time.monotonic() + timeout_s
    while not turns.try_acquire(want):
        if time.monotonic() >= deadline_s:
            return False
        time.sleep(_POLL_S)
    return True


@contextmanager
def one_turn(turns: Turns) -> Iterator[None]:
    """Has the device for the block, however long that takes to get: for loading a model."""
    wait_for_turn(turns, float("inf"), Want(0, float("inf")))
    try:
        yield
    finally:
        turns.give_up()
