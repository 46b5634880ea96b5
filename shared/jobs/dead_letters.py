"""Describes dead letters: renders that failed because they crashed workers, with the crash evidence.

`blame.lua` in the store decides which render caused a crash.
"""

from dataclasses import dataclass
from datetime import datetime

from shared.ids import JobId, RenderId, WorkerId
from shared.jobs.leases import Progress
from shared.jobs.states import Stage


@dataclass(frozen=True, slots=True)
class Crash:
    """Evidence of one crash: the worker died or hung while the render was in the worker's running step.

    `steps` is the render's progress in the worker's last heartbeat. `was_alone` says that no other render was in the
    step.
    """

    worker_id: WorkerId
    stage: Stage
    at: datetime
    steps: Progress
    was_alone: bool
    log_lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A render that failed with the error code `poison`, because it crashed workers.

    `strikes` counts crashes that only this render can have caused: it was alone in the worker's step, and had got no
    further than at an earlier crash. `crashes` is the crash evidence against the render, oldest first.
    """

    render_id: RenderId
    job_id: JobId
    index: int
    stage: Stage
    died_at: datetime
    strikes: int
    crashes: tuple[Crash, ...]
