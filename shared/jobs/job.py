"""Jobs, renders and pictures as the store knows them. Nothing here does I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.ids import JobId, ObjectKey, RenderId, Revision
from shared.jobs.enhancement import Enhancement
from shared.jobs.leases import Progress
from shared.jobs.spec import JobSpec
from shared.jobs.states import JobStatus, RenderState
from shared.jobs.token_grid import Prior
from shared.tracing.origin import Origin


@dataclass(frozen=True, slots=True)
class ClientName:
    """What its owner calls a job, and a digest of the request that named it first."""

    client_id: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class PriorSource:
    """A finished token grid and the model revision that wrote it: what a re-render begins with."""

    prior: Prior
    revision: Revision


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture in the object store."""

    key: ObjectKey
    manifest_key: ObjectKey
    sha256: str
    num_bytes: int
    content_type: str

    @property
    def grid_key(self) -> ObjectKey:
        """Its token grid lies beside it."""
        return ObjectKey(f"{self.key.rpartition('/')[0]}/prior.gpg")


class Place(StrEnum):
    """Where a render was when it was cancelled, expired or failed: the stage that it was in or waited for."""

    BEFORE_START = "before_start"
    AR = "ar"
    DIT = "dit"


@dataclass(frozen=True, slots=True)
class Render:
    """One picture as the store knows it. Stage times are aware UTC and None until they happen."""

    render_id: RenderId
    index: int
    state: RenderState
    seed: int
    progress: Progress | None
    picture: Picture | None
    error: Mapping[str, object] | None
    ended_in: Place | None
    attempts: int
    prior_started_at: datetime | None
    prior_ready_at: datetime | None
    decode_started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Job:
    """One job as the store knows it, with its renders in order of index. `origin` is the request that caused it."""

    job_id: JobId
    spec: JobSpec
    status: JobStatus
    revision: Revision
    renders: tuple[Render, ...]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    enhancement: Enhancement | None = None
    origin: Origin | None = None

    @property
    def revised_prompt(self) -> str | None:
        """What is drawn instead of the prompt as it was sent."""
        return self.enhancement.revised_prompt if self.enhancement else None

    @property
    def num_missing(self) -> int:
        """Pictures that it has not, or not yet."""
        return sum(render.picture is None for render in self.renders)
