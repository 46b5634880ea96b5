"""Which jobs a list shows. All is read off the lists of ids, whose order is that of creation: nothing is scanned."""

from dataclasses import dataclass
from datetime import datetime

from shared.ids import JobId, first_job_id
from shared.jobs.states import JobStatus


@dataclass(frozen=True, slots=True)
class JobFilter:
    """`statuses`: any of these; empty: all. From `created_after` on and before `created_before`, both aware."""

    statuses: frozenset[JobStatus] = frozenset()
    created_after: datetime | None = None
    created_before: datetime | None = None
    is_oldest_first: bool = False

    @property
    def suffixes(self) -> list[str]:
        """Of the lists to read."""
        return [f":{status}" for status in sorted(self.statuses)] or [""]

    def bounds(self, after: JobId | None) -> tuple[str, str]:
        """The lowest and the highest id as Redis writes them; `after` is where the page before ended."""
        lowest = first_job_id(self.created_after) if self.created_after else None
        highest = first_job_id(self.created_before) if self.created_before else None
        lower, upper = f"[{lowest}" if lowest else "-", f"({highest}" if highest else "+"
        if after and self.is_oldest_first:
            lower = lower if lowest and lowest > after else f"({after}"
        elif after:
            upper = upper if highest and highest <= after else f"({after}"
        return lower, upper


ANY_JOB = JobFilter()
