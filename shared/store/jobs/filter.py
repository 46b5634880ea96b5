"""Filters a tenant's list of jobs by status and time. Ids sort by creation time, so a filter reads a range of ids and
scans nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from shared.ids import JobId, first_job_id
from shared.jobs.states import JobStatus


@dataclass(frozen=True, slots=True)
class JobFilter:
    """A filter for a list of a tenant's jobs. Without `statuses`, jobs of every status pass.

    `created_after` is inclusive and `created_before` exclusive; both carry a time zone.
    """

    statuses: frozenset[JobStatus] = frozenset()
    created_after: datetime | None = None
    created_before: datetime | None = None
    is_oldest_first: bool = False

    @property
    def suffixes(self) -> list[str]:
        """The suffixes of the Redis keys of the job lists that this filter reads: one suffix for each status, or '' for
        the list of all jobs.
        """
        return [f":{status}" for status in sorted(self.statuses)] or [""]

    def bounds(self, after: JobId | None) -> tuple[str, str]:
        """Returns the lowest and the highest job id that pass the filter, in the notation of Redis' ZRANGEBYLEX.

        `after` is the last id of the previous page.
        """
        lowest = first_job_id(self.created_after) if self.created_after else None
        highest = first_job_id(self.created_before) if self.created_before else None
        lower, upper = f"[{lowest}" if lowest else "-", f"({highest}" if highest else "+"
        if after and self.is_oldest_first:
            lower = lower if lowest and lowest > after else f"({after}"
        elif after:
            upper = upper if highest and highest <= after else f"({after}"
        return lower, upper


ANY_JOB = JobFilter()
