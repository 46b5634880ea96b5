"""An AR stage without a model, as a process of its own: `python -m tests.stage.fake_stage STEPS STEP_S`."""

import sys
import time
from collections.abc import Mapping, Sequence

from shared.ids import RenderId
from shared.jobs import Claim, Progress
from shared.queues import Queue
from shared.settings import Settings
from shared.starting import run_role
from shared.states import Stage
from shared.store.connect import connect
from shared.store.leases import LeaseStore
from shared.token_grid import Prior
from tests.store.builders import REVISION, a_prior
from workers.engine.stepper import Outcome
from workers.stage.worker import StageParts, run_stage


class TimedStepper:
    """Every render takes `num_steps` steps of `step_s` seconds."""

    def __init__(self, num_steps: int, step_s: float) -> None:
        self._num_steps, self._step_s = num_steps, step_s
        self._running: dict[RenderId, tuple[Claim, int]] = {}

    def admit(self, claim: Claim) -> None:
        self._running[claim.render_id] = (claim, 0)

    def step(self) -> Sequence[Outcome[Prior]]:
        time.sleep(self._step_s)  # the work itself
        self._running = {rid: (claim, done + 1) for rid, (claim, done) in self._running.items()}
        finished = [claim for claim, done in self._running.values() if done >= self._num_steps]
        for claim in finished:
            self.drop(claim.render_id)
        return [Outcome(claim, result=a_prior()) for claim in finished]

    def drop(self, render_id: RenderId) -> None:
        self._running.pop(render_id, None)

    def progress(self) -> Mapping[RenderId, Progress]:
        return {rid: Progress(done, self._num_steps) for rid, (_, done) in self._running.items()}

    @property
    def is_idle(self) -> bool:
        return not self._running


def run(settings: Settings) -> None:
    def save(leases: LeaseStore, claim: Claim, prior: Prior) -> None:
        leases.finish_prior(claim.lease, prior)

    parts = StageParts(
        stage=Stage.AR,
        slots=2,
        revision=REVISION,
        stepper=TimedStepper(int(sys.argv[1]), float(sys.argv[2])),
        prepare=lambda _: None,
        save=save,
        next_queue=Queue.DIT,
    )
    run_stage(parts, settings, connect(settings.redis_url))


if __name__ == "__main__":
    run_role("fake", run)
