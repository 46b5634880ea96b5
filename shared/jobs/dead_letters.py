"""Renders that killed their workers, and the evidence. Who is to blame is decided in the store (`blame.lua`)."""

from dataclasses import dataclass
from datetime import datetime

from shared.ids import JobId, RenderId, WorkerId
from shared.jobs.leases import Progress
from shared.jobs.states import Stage


@dataclass(frozen=True, slots=True)
class Crash:
    """A worker died or hung with this render in its running step. `steps` is what the worker had last said of it."""

    worker_id: WorkerId
    stage: Stage
    at: datetime
    steps: Progress
    was_alone: bool
    log_lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A render that failed as `poison`, with the evidence: the crashes that spoke against it, oldest first."""

    render_id: RenderId
    job_id: JobId
    index: int
    stage: Stage
    died_at: datetime
    strikes: int
    crashes: tuple[Crash, ...]
