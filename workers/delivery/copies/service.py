"""Leases copies into the buckets of tenants, and their deletions. Carries them out and stores the outcomes. Starts no
threads.
"""

import threading
import time
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
from shared.objects.bucket_client import BucketClient
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

_SLOW_S = 3.0  # mean time of a request of at most 8 MiB, or of a picture
_LONGEST_SLOW_S = 1200.0  # of one try in a slow bucket, unless the job has so many pictures that they need longer
_PICTURE_S = 60.0  # two requests, each with at most 30 s
_MANIFEST_S = 120.0  # two requests for the manifest, and two to delete earlier pictures of a batch line


def count_given_up(num: int) -> None:
    """Logs and counts copies that were given up because the bucket refused for too long, or was removed."""
    log.warning("bucket.given_up", num=num)
    BUCKET_COPIES.labels("given_up").inc(num)


class WorkerStops(Exception):
    """The worker process ends."""


@dataclass(slots=True)
class CopyService:
    """Copies jobs and batches into the buckets of their tenants, and deletes copies. Thread-safe.

    Buckets that refused last, or are slow, are tried in at most `most_limited` threads, so that the others are always
    free for buckets that work. `on_end` is called after the end of a copy, because a webhook may be due.
    """

    copies: CopyStore
    jobs: JobStore
    batches: BatchStore
    objects: ObjectStore
    buckets: BucketClients
    settings: Settings
    most_limited: int
    on_end: Callable[[], None] = lambda: None
    _num_limited: int = field(default=0, init=False)
    stopping: threading.Event = field(default_factory=threading.Event, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def claim(self) -> CopyClaim | None:
        """Leases a copy or deletion that is due. Returns None when there is none. Raises `StoreUnavailable`."""
        may_be_limited = self._num_limited < self.most_limited
        claim = self.copies.claim(may_be_limited=may_be_limited, stops=self.stopping.is_set)
        if claim and claim.is_limited:
            self._count_limited(1)
        return claim

    def carry_out(self, claim: CopyClaim) -> None:
        """Carries out a copy or deletion and stores the outcome. Raises `StoreUnavailable`: it is then tried again."""
        try:
            tried = self._try(claim)
            is_recorded = self.copies.finish(claim, tried.outcome, tried.detail, slow_s=tried.slow_s)
        except LeaseLost:
            tried, is_recorded = _Try("later"), False
        finally:
            if claim.is_limited:
                self._count_limited(-1)
        counter = BUCKET_DELETIONS if claim.is_deletion else BUCKET_COPIES
        counter.labels(tried.outcome if is_recorded else "lost").inc()
        if is_recorded:
            self._log(claim, tried)
            self.on_end()

    def _try(self, claim: CopyClaim) -> "_Try":
        """Carries out a copy or deletion. Returns the outcome, and whether the bucket is slow."""
        if claim.is_unreadable:
            return _Try("failed", "the entry does not say what is to be deleted")
        try:
            bucket = self.buckets.client_of(claim.place)
        except BucketRefused as error:
            return _Try("refused", str(error))
        outcome, detail = self._outcome(claim, bucket)
        mean_s = bucket.pace.mean_s
        return _Try(outcome, detail, mean_s if mean_s >= _SLOW_S else 0.0)

    def _outcome(self, claim: CopyClaim, bucket: BucketClient) -> tuple[Outcome, str]:
        try:
            return self._delete(claim, claim.deletion, bucket) if claim.deletion else self._copy(claim, bucket)
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
            # A deletion is tried until it works, so it has to pause longer after each failure.
            return ("refused" if claim.deletion else "failed"), f"the service could not {_act(claim)} it"

    def _copy(self, claim: CopyClaim, bucket: BucketClient) -> tuple[Outcome, str]:
        """Copies a job or batch and returns the outcome, with the location of the copies."""
        limit_s = longest_slow_s(len(claim.job.renders) if claim.job else 0)
        renew = partial(self._renew_in_time, claim, bucket, time.monotonic(), limit_s)
        copying = Copying(self.objects, bucket, renew)
        if claim.batch_id:
            return "copied", copying.copy_batch(self.batches.batch_of_any_tenant(claim.batch_id))
        job = claim.job or self.jobs.job_of_any_tenant(claim.job_id)
        return "copied", copying.copy_line(claim, job) if claim.line_of else self._copy_job(claim, job, copying)

    def _copy_job(self, claim: CopyClaim, job: Job, copying: Copying) -> str:
        location = claim.place.location(claim.place.folder_of_job(job.job_id))
        return copying.copy_job(job, self._response(replace(job, bucket_copy=BucketCopy(CopyStatus.COPIED, location))))

    def _delete(self, claim: CopyClaim, deletion: CopyDeletion, bucket: BucketClient) -> tuple[Outcome, str]:
        """Deletes copies and returns the outcome, with the location of their folder."""
        location = claim.place.location(deletion.folder(claim.place))
        delete_copies(bucket, deletion, partial(self._renew, claim))
        return "deleted", location

    def _renew(self, claim: CopyClaim) -> bool:
        """Extends the lease on a copy and returns whether it is still held. Raises `WorkerStops`: another worker then
        makes the copy, which may have thousands of pictures.
        """
        if self.stopping.is_set():
            raise WorkerStops
        return self.copies.renew(claim)

    def _renew_in_time(self, claim: CopyClaim, bucket: BucketClient, began_at_s: float, limit_s: float) -> bool:
        """Extends the lease as `_renew` does. Raises `BucketRefused` if a copy into a slow bucket takes too long."""
        if bucket.pace.mean_s >= _SLOW_S and time.monotonic() - began_at_s >= limit_s:
            raise BucketRefused(f"the bucket is slow: the copy was not complete after {limit_s:.0f} s", "bucket")
        return self._renew(claim)

    def _response(self, job: Job) -> dict[str, object]:
        return job_response(job, self.settings.public_url, self.settings.served_model_name)

    def _count_limited(self, change: int) -> None:
        with self._lock:
            self._num_limited += change

    def _log(self, claim: CopyClaim, tried: "_Try") -> None:
        if tried.outcome in ("copied", "deleted"):
            log.info("bucket.deleted" if claim.deletion else "bucket.copied", location=tried.detail)
        else:
            event = "bucket.not_deleted" if claim.is_deletion else "bucket.not_copied"
            log.warning(event, outcome=tried.outcome, error=tried.detail)
        if tried.slow_s:
            log.warning("bucket.slow", request_s=round(tried.slow_s, 1))


@dataclass(frozen=True, slots=True)
class _Try:
    """The outcome of one try. `detail` is the location of the copies, or the error. `slow_s` is the mean time of the
    last requests if the bucket is slow, else 0.
    """

    outcome: Outcome
    detail: str = ""
    slow_s: float = 0.0


def longest_slow_s(num_pictures: int) -> float:
    """Returns the time limit of a try to copy into a slow bucket. All pictures of a job can be copied in it.

    A batch has 0 pictures: a copy of its result files that takes longer would hold a thread for hours.
    """
    return max(_LONGEST_SLOW_S, _PICTURE_S * num_pictures + _MANIFEST_S)


def _act(claim: CopyClaim) -> str:
    return "delete" if claim.deletion else "copy"
