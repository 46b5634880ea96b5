"""An AR stage without a model: `python -m tests.workers.stage.fake_stage STEPS STEP_S [FAULT or "turns"]`."""

import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from shared.hints.queues import Queue
from shared.ids import RenderId
from shared.jobs.leases import Claim, Progress
from shared.jobs.states import Stage
from shared.jobs.token_grid import Prior
from shared.process.starting import run_role
from shared.settings.settings import Settings
from shared.store.core.connect import connect
from shared.store.renders.leases import LeaseStore
from tests.shared.store.builders import REVISION, a_prior
from workers.engine.places import Places, turns
from workers.engine.stepper import Outcome
from workers.stage.recorder import Write
from workers.stage.worker import StageParts, run_stage

_FAULTY_STEP = 3


class DeviceLost(Exception):
    """What the device says that is gone for good."""


class TimedStepper:
    """Every render takes `num_steps` steps of `step_s` seconds; in the third the device may "hang" or be "lost"."""

    seems_to_end = False

    def __init__(self, num_steps: int, step_s: float, fault: str = "") -> None:
        self._num_steps, self._step_s, self._fault = num_steps, step_s, fault
        self._num_done = 0
        self._running: dict[RenderId, tuple[Claim, int]] = {}

    def admit(self, claim: Claim) -> None:
        self._running[claim.render_id] = (claim, 0)

    def in_step(self) -> Collection[RenderId]:
        return tuple(self._running)

    def step(self) -> Sequence[Outcome[Prior]]:
        time.sleep(self._step_s)  # the work itself
        self._num_done += 1
        if self._num_done == _FAULTY_STEP:
            self._break()
        self._running = {rid: (claim, done + 1) for rid, (claim, done) in self._running.items()}
        finished = [claim for claim, done in self._running.values() if done >= self._num_steps]
        for claim in finished:
            self.drop(claim.render_id)
        return [Outcome(claim, result=a_prior()) for claim in finished]

    def _break(self) -> None:
        if self._fault == "hang":
            threading.Event().wait()
        if self._fault == "lost":
            raise DeviceLost

    def drop(self, render_id: RenderId) -> None:
        self._running.pop(render_id, None)

    def progress(self) -> Mapping[RenderId, Progress]:
        return {
            rid: Progress(done, done + 1 if self.seems_to_end else self._num_steps)
            for rid, (_, done) in self._running.items()
        }

    @property
    def is_waiting(self) -> bool:
        return False

    @property
    def is_idle(self) -> bool:
        return not self._running


class TurnsStepper(TimedStepper):
    """Computes for one render at a time, of the highest class. Each seems to end with its next step."""

    seems_to_end = True

    def in_step(self) -> Collection[RenderId]:
        first = min(self._running.values(), key=lambda member: member[0].priority.rank, default=None)
        return (first[0].render_id,) if first else ()

    def step(self) -> Sequence[Outcome[Prior]]:
        others = {rid: member for rid, member in self._running.items() if rid not in self.in_step()}
        self._running = {rid: self._running[rid] for rid in self.in_step()}
        outcomes = super().step()
        self._running |= others
        return outcomes


def run(settings: Settings) -> None:
    def save(leases: LeaseStore, claim: Claim, prior: Prior, device_s: float) -> Write:
        return partial(leases.finish_prior, claim.lease, prior, None, device_s)

    has_turns = sys.argv[3:] == ["turns"]
    num_steps, step_s = int(sys.argv[1]), float(sys.argv[2])
    parts = StageParts(
        stage=Stage.AR,
        places=turns(2) if has_turns else Places(2),
        revision=REVISION,
        stepper=TurnsStepper(num_steps, step_s) if has_turns else TimedStepper(num_steps, step_s, *sys.argv[3:]),
        prepare=lambda _: None,
        save=save,
        next_queue=Queue.DIT,
        is_device_lost=lambda error: isinstance(error, DeviceLost),
    )
    run_stage(parts, settings, connect(settings.redis_url))


if __name__ == "__main__":
    run_role("fake", run)
