"""Does one step of work on one batch: claims the batch, does what is due, and ends the lease.

Does not depend on Celery.
"""

from dataclasses import dataclass

import structlog
from structlog.contextvars import bound_contextvars

from shared.batches.batch import Batch, BatchStatus, LineState, line_job_id
from shared.errors import LeaseLost, ObjectStoreUnavailable, RecordUnreadable, TenantBeingErased
from shared.store.batch_work.work import BatchLease, Leased
from shared.store.files.files import FileStore
from shared.store.jobs.jobs import JobStore
from workers.batches.collect import collect
from workers.batches.finish import finish
from workers.batches.release import Released, Releaser
from workers.batches.sweep import sweep
from workers.batches.tools import Tools
from workers.batches.validate import validate

log = structlog.get_logger()

_REST_S = 5.0  # A batch is checked again after this time even if no result of it is reported.
_LIMITED_REST_S = 2.0  # pause while a limit holds the batch's lines back
_OUTAGE_REST_S = 2.0  # pause while the object store is unavailable


@dataclass(frozen=True, slots=True)
class BatchService:
    """Works on batches, one step at a time; thread-safe.

    Its methods raise `StoreUnavailable` when the store is unreachable. The batch's lease then expires by itself.
    """

    tools: Tools
    jobs: JobStore
    files: FileStore
    releaser: Releaser

    def work_one(self) -> bool:
        """Does one step of work on the batch that has waited longest. Returns whether any batch was due."""
        lease = self.tools.work.claim()
        if lease is None:
            return False
        try:
            self._step(lease)
        except LeaseLost as error:
            log.warning("batch.lease_lost", batch_id=lease.batch_id, error=str(error))
        except TenantBeingErased as error:
            log.info("batch.erased", batch_id=lease.batch_id, error=str(error))
        except RecordUnreadable as error:
            log.error("batch.put_aside", batch_id=lease.batch_id, error=str(error))  # noqa: TRY400 - its reader logged why
        except ObjectStoreUnavailable as error:
            log.warning("batch.object_store_unavailable", batch_id=lease.batch_id, error=str(error))
            self.tools.work.rest(lease, _OUTAGE_REST_S)
        return True

    def _step(self, lease: BatchLease) -> None:
        found = self.tools.work.look(lease)
        with bound_contextvars(**found.batch.log_ids):
            self._step_bound(lease, found)

    def _step_bound(self, lease: BatchLease, found: Leased) -> None:
        if _is_unread(found.batch):
            if not validate(self.tools, found):
                return
            found = self.tools.work.look(lease)
        self.tools.work.rank_lines(found)
        collect(self.tools, found)
        found = self.tools.work.look(lease)
        released = self._stop(found) if found.batch.is_stopping else self._go_on(found)
        if released.has_more:
            self.tools.work.rest(lease, 0.0, released.waiting_for, is_slow=released.is_slow)
        elif self.tools.work.finalize(lease):
            finish(self.tools, self.files, self.tools.work.look(lease))
            log.info("batch.finished")
        else:
            delay_s = _LIMITED_REST_S if released.waiting_for else _REST_S
            self.tools.work.rest(lease, delay_s, released.waiting_for, is_slow=released.is_slow)

    def _go_on(self, found: Leased) -> Released:
        if found.batch.is_paused or found.batch.cursor.line >= found.batch.num_lines:
            return Released()
        return self.releaser.release(found)

    def _stop(self, found: Leased) -> Released:
        """Ends waiting lines of a batch that was cancelled or has expired. Cancels the open jobs of a cancelled batch.

        The jobs of an expired batch need no cancelling, because their deadline has passed as well.
        """
        if found.batch.end is BatchStatus.CANCELLED:
            self._cancel_jobs(found)
        return Released(has_more=sweep(self.tools, found))

    def _cancel_jobs(self, found: Leased) -> None:
        """Cancels the jobs of the batch that have not ended."""
        batch = found.batch
        states = self.tools.batches.states(batch.batch_id, 0, batch.num_lines) if batch.counts.open else []
        for line, state in enumerate(states):
            if state is LineState.OPEN:
                self.jobs.cancel(line_job_id(batch.batch_id, batch.round, line), batch.spec.tenant)


def _is_unread(batch: Batch) -> bool:
    """Returns whether the batch's input file still has to be copied or validated.

    This is true while the batch is validating. It is also true for a retry batch that was cancelled before its first
    step. The lines of that batch are known from the original batch, but its file is not copied yet.
    """
    is_retry_begun = bool(batch.spec.retry_of) and batch.times.in_progress_at is None and batch.cursor.line == 0
    return batch.status is BatchStatus.VALIDATING or is_retry_begun
