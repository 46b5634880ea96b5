"""Drains a worker: renders that can end within the grace period do so, and the worker hands back the others.

It handles no signals.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from shared.jobs.leases import Claim, Progress
from workers.engine.slots import Slots
from workers.engine.stepper import Unfinished
from workers.engine.thread import EngineThread

_LAST_STEP_S = 2.0  # the wait for the last step; a longer step is abandoned, and the fence refuses its writes

HandOver = Callable[[Claim, Unfinished | None], None]


@dataclass(frozen=True, slots=True)
class _Remaining:
    """The time that a render in the engine still needs: `own_s` seconds until its end, and `step_s` seconds for one
    step.
    """

    claim: Claim
    own_s: float
    step_s: float


def drain(engine: EngineThread[Any], slots: Slots, grace_s: float, hand_over: HandOver) -> None:
    """Drains the worker as `empty` does, waiting up to `grace_s` for running renders and records. Then stops the
    engine.

    `hand_over` hands a render over to another worker and releases the render's slot.
    """
    ends_s = empty(engine, slots, grace_s, hand_over)
    engine.stop(max(0.0, ends_s - time.monotonic()))
    for claim in slots.held():
        hand_over(claim, None)


def empty(engine: EngineThread[Any], slots: Slots, grace_s: float, hand_over: HandOver) -> float:
    """Stops claiming, and has all running renders end within `grace_s`, or be handed over. The engine goes on.

    - Renders that can't end within the grace period, judged by the measured time of their steps, are handed over at
      once. They leave the engine after the running step, with their saved state.
    - Renders that have not ended when the grace period is over are handed over too. Their saved state is included if
      their running step ends within another 2 s.

    Returns the time of the monotonic clock at which these 2 s end.
    """
    ends_s = time.monotonic() + grace_s
    slots.close()
    too_slow = _too_slow(engine, slots, grace_s)
    # If one step takes longer than the grace period, there will be no saved state to hand over.
    _hand_over_running(engine, slots, [left.claim for left in too_slow if left.step_s >= grace_s], 0.0, hand_over)
    _hand_over_running(engine, slots, [left.claim for left in too_slow if left.step_s < grace_s], ends_s, hand_over)
    slots.wait_until_empty(ends_s - time.monotonic())
    ends_s = time.monotonic() + _LAST_STEP_S
    _hand_over_running(engine, slots, [claim for claim, _ in slots.running()], ends_s, hand_over)
    return ends_s


def _too_slow(engine: EngineThread[Any], slots: Slots, grace_s: float) -> Sequence[_Remaining]:
    """Returns the renders that can't end within `grace_s` seconds.

    The DiT stage computes one render after another. So the time for a render outside the running step includes the time
    until the renders in that step end.
    """
    in_step, lefts = engine.in_step, _remaining(engine, slots)
    ahead_s = max(
        (left.own_s for left in lefts if left.claim.render_id in in_step and left.own_s <= grace_s), default=0
    )
    return [left for left in lefts if left.own_s + (0 if left.claim.render_id in in_step else ahead_s) > grace_s]


def _remaining(engine: EngineThread[Any], slots: Slots) -> Sequence[_Remaining]:
    progress = engine.progress()
    return [
        _remaining_of(claim, seen, engine.step_times.seconds_a_step(claim.render_id))
        for claim, _ in slots.running()
        if (seen := progress.get(claim.render_id))
    ]


def _remaining_of(claim: Claim, progress: Progress, step_s: float | None) -> _Remaining:
    """Returns the time that a render still needs.

    Before the render's first step this time is unknown, and the function returns infinity. So the render is handed
    over, which loses no work.
    """
    endless = float("inf")
    if step_s is None or not progress.done:
        return _Remaining(claim, endless, endless)
    return _Remaining(claim, (progress.total - progress.done) * step_s, step_s)


def _hand_over_running(
    engine: EngineThread[Any], slots: Slots, claims: Sequence[Claim], until_s: float, hand_over: HandOver
) -> None:
    """Takes renders out of the engine after the running step, and hands them over with their saved state.

    It waits for the end of that step until the time `until_s` of the monotonic clock. A render that ends in that step
    is not handed over.
    """
    leaving = [(claim, engine.take_out(claim.lease)) for claim in claims]
    for claim, taken in leaving:
        unfinished = _wait(taken, until_s)
        if any(running.lease == claim.lease for running, _ in slots.running()):
            hand_over(claim, unfinished)


def _wait(taken: "Future[Unfinished | None]", until_s: float) -> Unfinished | None:
    try:
        return taken.result(max(0.0, until_s - time.monotonic()))
    except TimeoutError:
        return None
