"""Computes when batches are expected to end, and whether that is before the time that the caller set (`finish_by`)."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from api.services import Services
from shared.batches.batch import Batch, BatchCost, BatchStatus, Precedence
from shared.batches.estimate import Outlook, Work, is_on_time
from shared.ids import TenantId
from shared.jobs.spec import Priority


@dataclass(frozen=True, slots=True)
class BatchEnd:
    """The expected end of a batch. Fields are None when unknown.

    `eta_s` is in seconds from now. `is_on_time` tells whether the batch ended or is expected to end by `finish_by`.
    """

    eta_s: float | None = None
    expected_end: datetime | None = None
    is_on_time: bool | None = None

    @classmethod
    def within(cls, eta_s: float | None, finish_by: datetime | None) -> Self:
        """Returns the expected end of a batch that takes `eta_s` more seconds.

        The end is unknown if `eta_s` is None.
        """
        if eta_s is None:
            return cls()
        expected_end = datetime.now(UTC) + timedelta(seconds=eta_s)
        return cls(round(eta_s, 1), expected_end, is_on_time(finish_by, expected_end))


@dataclass(slots=True)
class Ends:
    """Computes the expected ends of all batches in one response.

    It reads the waiting work of each tenant and priority class from the store only once.
    """

    deps: Services
    _outlooks: dict[tuple[TenantId, Priority], Outlook] = field(default_factory=dict)

    def of(self, batch: Batch) -> BatchEnd:
        finish_by, times = batch.precedence.finish_by, batch.times
        ended_at = times.completed_at or times.expired_at or times.cancelled_at or times.failed_at
        if batch.status.is_final:
            return BatchEnd(is_on_time=_was_on_time(batch, ended_at))
        if batch.status is not BatchStatus.IN_PROGRESS or batch.is_paused:
            return BatchEnd()
        outlook = self._outlook(batch.spec.tenant, batch.spec.priority)
        return BatchEnd.within(outlook.end_s(batch.batch_id), finish_by)

    def of_new(self, tenant: TenantId, precedence: Precedence, cost: BatchCost) -> BatchEnd:
        """Returns the expected end of a batch of this cost that would be created now."""
        outlook = self._outlook(tenant, precedence.priority.scheduling_class)
        return BatchEnd.within(outlook.end_of_new_s(precedence, Work(cost.ar, cost.dit)), precedence.finish_by)

    def _outlook(self, tenant: TenantId, scheduling_class: Priority) -> Outlook:
        key = (tenant, scheduling_class)
        if key not in self._outlooks:
            self._outlooks[key] = self.deps.batches.outlook(*key)
        return self._outlooks[key]


def _was_on_time(batch: Batch, ended_at: datetime | None) -> bool | None:
    """Returns whether an ended batch was completed by its `finish_by`. Returns None if the batch has no `finish_by`.

    A batch that ended in another way was not on time.
    """
    if batch.precedence.finish_by is None or ended_at is None:
        return None
    return batch.status is BatchStatus.COMPLETED and ended_at <= batch.precedence.finish_by
