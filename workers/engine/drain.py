"""How an engine's work ends: what can be finished in the grace period is, all else goes back. Knows no signals."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from shared.leases import Claim, Progress
from workers.engine.slots import Slots
from workers.engine.thread import EngineThread

_LAST_STEP_S = 2.0  # a step that takes longer is left behind: the fence refuses what it might still write


def drain(engine: EngineThread[Any], slots: Slots, grace_s: float, hand_back: Callable[[Claim], None]) -> None:
    """Claims nothing more, waits up to `grace_s` for what runs and what is being recorded, stops the engine.

    What can't finish in that time, at the pace it has had so far, is handed back at once; the rest of what did not
    finish at the end.
    """
    slots.close()
    for claim in _too_slow(engine, slots, grace_s):
        engine.revoke([claim.lease])
        hand_back(claim)
    slots.wait_until_empty(grace_s)
    engine.stop(_LAST_STEP_S)
    for claim in slots.held():
        hand_back(claim)


def _too_slow(engine: EngineThread[Any], slots: Slots, grace_s: float) -> Sequence[Claim]:
    """Renders in the stepper whose steps to come take longer than `grace_s` at their pace since they were claimed."""
    now_s, progress = time.monotonic(), engine.progress()
    return [
        claim
        for claim, taken_at_s in slots.running()
        if (seen := progress.get(claim.render_id)) and _remaining_s(seen, now_s - taken_at_s) > grace_s
    ]


def _remaining_s(progress: Progress, elapsed_s: float) -> float:
    """Infinite before the first step: there is no pace yet."""
    return elapsed_s * (progress.total - progress.done) / progress.done if progress.done else float("inf")
