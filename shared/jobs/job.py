"""Describes jobs, renders and pictures as the store holds them. Does no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.ids import JobId, ObjectKey, RenderId, Revision
from shared.jobs.bucket_copy import BucketCopy
from shared.jobs.enhancement import Enhancement
from shared.jobs.leases import Progress
from shared.jobs.spec import JobSpec
from shared.jobs.states import JobStatus, RenderState
from shared.jobs.text_check import TextResult
from shared.jobs.token_grid import Prior
from shared.tracing.origin import Origin


@dataclass(frozen=True, slots=True)
class ClientName:
    """The id that a client chose for a job, and a digest of the request that first used the id."""

    client_id: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class PriorSource:
    """The finished token grid with which a re-render starts, and the revision of the model that made the grid."""

    prior: Prior
    revision: Revision


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture in the object store: its key, hash, size and type, and the key of its manifest."""

    key: ObjectKey
    manifest_key: ObjectKey
    sha256: str
    num_bytes: int
    content_type: str

    @property
    def grid_key(self) -> ObjectKey:
        """Returns the key of the picture's token grid in the object store. The grid is in the same folder as the
        picture.
        """
        return ObjectKey(f"{self.key.rpartition('/')[0]}/prior.gpg")


class EndedIn(StrEnum):
    """The stage that a render was in, or waited for, when it was cancelled, expired or failed. `before_start` means
    that no stage had begun.
    """

    BEFORE_START = "before_start"
    AR = "ar"
    DIT = "dit"


@dataclass(frozen=True, slots=True)
class Render:
    """One render of a job as the store holds it. Stage times are in UTC, and None until they are reached.

    `decoded_at` is the time at which the picture was stored for a check. It is None if nothing checks pictures. `text`
    is the result of the text check; None if there is none yet.
    `reused_from` is the render whose picture was copied for this one, or None.
    """

    render_id: RenderId
    index: int
    state: RenderState
    seed: int
    progress: Progress | None
    picture: Picture | None
    error: Mapping[str, object] | None
    ended_in: EndedIn | None
    attempts: int
    prior_started_at: datetime | None
    prior_ready_at: datetime | None
    decode_started_at: datetime | None
    finished_at: datetime | None
    decoded_at: datetime | None = None
    reused_from: RenderId | None = None
    text: TextResult | None = None

    @property
    def num_tries(self) -> int:
        """Returns how often workers have tried to render the picture: 1 if nothing goes wrong.

        `attempts` counts the claims of both stages. A second try of either stage is one more try of the picture.
        """
        num_stages = sum(moment is not None for moment in (self.prior_started_at, self.decode_started_at))
        return max(1, self.attempts - max(1, num_stages) + 1) if self.attempts else 0


@dataclass(frozen=True, slots=True)
class Job:
    """One job as the store holds it, with its renders in order of their index. `origin` is the HTTP request that
    created it. `is_canary` says whether the canary share of its model chose its revision when it was accepted.
    `bucket_copy` is its copy in the bucket of its tenant, or None.
    """

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
    is_canary: bool = False
    bucket_copy: BucketCopy | None = None

    @property
    def revised_prompt(self) -> str | None:
        """Returns the enhanced prompt, from which the pictures are rendered; None if there is none."""
        return self.enhancement.revised_prompt if self.enhancement else None

    @property
    def error(self) -> Mapping[str, object] | None:
        """Returns the error that explains the job's status: of the first rejected render if there is one, else of the
        first render with an error. Returns None if no render has one.
        """
        failed = [render for render in self.renders if render.error]
        rejected = [render for render in failed if render.state is RenderState.REJECTED]
        return next((render.error for render in (*rejected, *failed)), None)

    @property
    def num_missing(self) -> int:
        """Returns the number of the job's pictures that do not exist: they are not finished or never will be."""
        return sum(render.picture is None for render in self.renders)
