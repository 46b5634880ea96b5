"""How an engine's work ends: renders that can end in the grace period do, the others go back. Knows no signals."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from shared.jobs.leases import Claim, Progress
from workers.engine.slots import Slots
from workers.engine.stepper import Unfinished
from workers.engine.thread import EngineThread

_LAST_STEP_S = 2.0  # a step that takes longer is left behind: the fence refuses what it might still write

HandOver = Callable[[Claim, Unfinished | None], None]


@dataclass(frozen=True, slots=True)
class _Left:
    """What is left to compute of a render in the stepper: its own seconds, and one step's."""

    claim: Claim
    own_s: float
    step_s: float


def drain(engine: EngineThread[Any], slots: Slots, grace_s: float, hand_over: HandOver) -> None:
    """Claims nothing more, waits up to `grace_s` for what runs and what is being recorded, stops the engine.

    A render that cannot end in that time, by the measured time of its steps, is taken out after the running step and
    handed over at once with what it has come to. So is a render that has not ended at the end, if its step ends soon.
    `hand_over` releases the render's slot.
    """
    ends_s = time.monotonic() + grace_s
    slots.close()
    too_slow = _too_slow(engine, slots, grace_s)
    # A step that outlasts the grace period leaves nothing to hand over.
    _send_away(engine, slots, [left.claim for left in too_slow if left.step_s >= grace_s], 0.0, hand_over)
    _send_away(engine, slots, [left.claim for left in too_slow if left.step_s < grace_s], ends_s, hand_over)
    slots.wait_until_empty(ends_s - time.monotonic())
    ends_s = time.monotonic() + _LAST_STEP_S
    _send_away(engine, slots, [claim for claim, _ in slots.running()], ends_s, hand_over)
    engine.stop(max(0.0, ends_s - time.monotonic()))
    for claim in slots.held():
        hand_over(claim, None)


def _too_slow(engine: EngineThread[Any], slots: Slots, grace_s: float) -> Sequence[_Left]:
    """Renders whose steps to come take longer than `grace_s`.

    A render that is not in the running step waits for those that are, as in the DiT, which ends one after another.
    """
    in_step, lefts = engine.in_step, _lefts(engine, slots)
    ahead_s = max(
        (left.own_s for left in lefts if left.claim.render_id in in_step and left.own_s <= grace_s), default=0
    )
    return [left for left in lefts if left.own_s + (0 if left.claim.render_id in in_step else ahead_s) > grace_s]


def _lefts(engine: EngineThread[Any], slots: Slots) -> Sequence[_Left]:
    progress = engine.progress()
    return [
        _left_of(claim, seen, engine.step_times.seconds_a_step(claim.render_id))
        for claim, _ in slots.running()
        if (seen := progress.get(claim.render_id))
    ]


def _left_of(claim: Claim, progress: Progress, step_s: float | None) -> _Left:
    """Endless before the first step: its time is not known, and nothing is lost."""
    endless = float("inf")
    if step_s is None or not progress.done:
        return _Left(claim, endless, endless)
    return _Left(claim, (progress.total - progress.done) * step_s, step_s)


def _send_away(
    engine: EngineThread[Any], slots: Slots, claims: Sequence[Claim], until_s: float, hand_over: HandOver
) -> None:
    """Takes renders out after the running step, for which it waits until `until_s`. One that ends in it is kept."""
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
