"""Leases copies into the buckets of tenants, and their deletions. Carries them out and stores the outcomes. Starts no
threads.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from shared.errors import (
    BatchNotFound,
    JobNotFound,
    LeaseLost,
    ObjectNotFound,
    ObjectStoreUnavailable,
    StoreUnavailable,
)
from shared.jobs.bucket_copy import BucketCopy, CopyStatus
from shared.jobs.job import Job
from shared.metrics.catalogue import BUCKET_COPIES, BUCKET_DELETIONS
from shared.objects.bucket_clients import BucketClients
from shared.objects.bucket_errors import BucketRefused
from shared.objects.store import ObjectStore
from shared.responses.job import job_response
from shared.settings.settings import Settings
from shared.store.batches.batches import BatchStore
from shared.store.copies.copies import CopyClaim, CopyStore, Outcome
from shared.store.copies.deletion import CopyDeletion
from shared.store.jobs.jobs import JobStore
from workers.delivery.copies.copying import Copying
from workers.delivery.copies.deleting import delete_copies

log = structlog.get_logger()


def count_given_up(num: int) -> None:
    """Logs and counts copies that were given up because the bucket refused for too long, or was removed."""
    log.warning("bucket.given_up", num=num)
    BUCKET_COPIES.labels("given_up").inc(num)


class WorkerStops(Exception):
    """The worker process ends."""


@dataclass(slots=True)
class CopyService:
    """Copies jobs and batches into the buckets of their tenants, and deletes copies. Thread-safe.

    Buckets that refused last are tried in at most `most_failing` threads, so that the others are always free for
    buckets that work. `on_end` is called after the end of a copy, because a webhook may be due.
    """

    copies: CopyStore
    jobs: JobStore
    batches: BatchStore
    objects: ObjectStore
    buckets: BucketClients
    settings: Settings
    most_failing: int
    on_end: Callable[[], None] = lambda: None
    _num_failing: int = field(default=0, init=False)
    stopping: threading.Event = field(default_factory=threading.Event, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def claim(self) -> CopyClaim | None:
        """Leases a copy or deletion that is due. Returns None when there is none. Raises `StoreUnavailable`."""
        claim = self.copies.claim(may_be_failing=self._num_failing < self.most_failing)
        if claim and claim.is_failing:
            self._count_failing(1)
        return claim

    def carry_out(self, claim: CopyClaim) -> None:
        """Carries out a copy or deletion and stores the outcome. Raises `StoreUnavailable`: it is then tried again."""
        try:
            outcome, detail = self._outcome(claim)
            is_recorded = self.copies.finish(claim, outcome, detail)
        except LeaseLost:
            is_recorded = False
        finally:
            if claim.is_failing:
                self._count_failing(-1)
        counter = BUCKET_DELETIONS if claim.deletion else BUCKET_COPIES
        counter.labels(outcome if is_recorded else "lost").inc()
        if is_recorded:
            self._log(claim, outcome, detail)
            self.on_end()

    def _outcome(self, claim: CopyClaim) -> tuple[Outcome, str]:
        try:
            return self._delete(claim, claim.deletion) if claim.deletion else ("copied", self._copy(claim))
        except WorkerStops:
            return "later", "the worker stops"
        except BucketRefused as error:
            return "refused", str(error)
        except (ObjectNotFound, JobNotFound, BatchNotFound):
            return "failed", "it was deleted before it was copied"
        except ObjectStoreUnavailable as error:
            return "later", str(error)
        except (StoreUnavailable, LeaseLost):
            raise
        except Exception:
            log.exception("bucket.copy_crashed")
            return "later" if claim.deletion else "failed", "the service could not copy it"

    def _copy(self, claim: CopyClaim) -> str:
        """Copies a job or batch and returns the location of the copies."""
        copying = Copying(self.objects, self.buckets.client_of(claim.place), partial(self._renew, claim))
        if claim.batch_id:
            return copying.copy_batch(self.batches.batch_of_any_tenant(claim.batch_id))
        job = claim.job or self.jobs.job_of_any_tenant(claim.job_id)
        if claim.line_of:
            return copying.copy_line(claim, job)
        location = claim.place.location(claim.place.folder_of_job(job.job_id))
        return copying.copy_job(job, self._response(replace(job, bucket_copy=BucketCopy(CopyStatus.COPIED, location))))

    def _delete(self, claim: CopyClaim, deletion: CopyDeletion) -> tuple[Outcome, str]:
        """Deletes copies and returns the outcome, with the location of their folder."""
        location = claim.place.location(deletion.folder(claim.place))
        delete_copies(self.buckets.client_of(claim.place), deletion, partial(self._renew, claim))
        return "deleted", location

    def _renew(self, claim: CopyClaim) -> bool:
        """Extends the lease on a copy and returns whether it is still held. Raises `WorkerStops`: another worker then
        makes the copy, which may have thousands of pictures.
        """
        if self.stopping.is_set():
            raise WorkerStops
        return self.copies.renew(claim)

    def _response(self, job: Job) -> dict[str, object]:
        return job_response(job, self.settings.public_url, self.settings.served_model_name)

    def _count_failing(self, change: int) -> None:
        with self._lock:
            self._num_failing += change

    def _log(self, claim: CopyClaim, outcome: Outcome, detail: str) -> None:
        if outcome in ("copied", "deleted"):
            log.info("bucket.deleted" if claim.deletion else "bucket.copied", location=detail)
        else:
            log.warning("bucket.not_deleted" if claim.deletion else "bucket.not_copied", outcome=outcome, error=detail)
