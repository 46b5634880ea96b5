"""Says when batches are expected to end, and whether by the time that was asked for."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from api.services import Services
from shared.batches.batch import Batch, BatchCost, BatchStatus, Standing
from shared.batches.estimate import Outlook, Work, is_on_time
from shared.ids import TenantId
from shared.jobs.spec import Priority


@dataclass(frozen=True, slots=True)
class BatchEnd:
    """`eta_s` is in seconds from now. `is_on_time`: expected to end, or ended, by `finish_by`; None when unknown."""

    eta_s: float | None = None
    expected_end: datetime | None = None
    is_on_time: bool | None = None

    @classmethod
    def within(cls, eta_s: float | None, finish_by: datetime | None) -> Self:
        """Returns the end of a batch that lasts so many seconds more."""
        if eta_s is None:
            return cls()
        expected_end = datetime.now(UTC) + timedelta(seconds=eta_s)
        return cls(round(eta_s, 1), expected_end, is_on_time(finish_by, expected_end))


@dataclass(slots=True)
class Ends:
    """The ends of the batches of one response. Each tenant's outlook is read once."""

    house: Services
    _outlooks: dict[tuple[TenantId, Priority], Outlook] = field(default_factory=dict)

    def of(self, batch: Batch) -> BatchEnd:
        finish_by, times = batch.standing.finish_by, batch.times
        ended_at = times.completed_at or times.expired_at or times.cancelled_at or times.failed_at
        if batch.status.is_final:
            return BatchEnd(is_on_time=_was_on_time(batch, ended_at))
        if batch.status is not BatchStatus.IN_PROGRESS or batch.is_paused:
            return BatchEnd()
        outlook = self._outlook(batch.spec.tenant, batch.spec.priority)
        return BatchEnd.within(outlook.end_s(batch.batch_id), finish_by)

    def of_new(self, tenant: TenantId, standing: Standing, cost: BatchCost) -> BatchEnd:
        """Returns the end of a batch that would be made now."""
        outlook = self._outlook(tenant, standing.priority.scheduling_class)
        return BatchEnd.within(outlook.end_of_new_s(standing, Work(cost.ar, cost.dit)), standing.finish_by)

    def _outlook(self, tenant: TenantId, scheduling_class: Priority) -> Outlook:
        key = (tenant, scheduling_class)
        if key not in self._outlooks:
            self._outlooks[key] = self.house.batches.outlook(*key)
        return self._outlooks[key]


def _was_on_time(batch: Batch, ended_at: datetime | None) -> bool | None:
    """Only a batch that came to its own end was on time."""
    if batch.standing.finish_by is None or ended_at is None:
        return None
    return batch.status is BatchStatus.COMPLETED and ended_at <= batch.standing.finish_by
