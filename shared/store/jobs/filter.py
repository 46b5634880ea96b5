"""Filters a tenant's list of jobs by status, time, batch, prompt and metadata.

Ids sort by creation time, and the ids of a batch's jobs have a common prefix. So a filter by status, time and batch
reads a range of ids and scans nothing. A filter by prompt or metadata reads the jobs and leaves out others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.batches.batch import BatchId, line_job_prefix
from shared.ids import JobId, first_job_id
from shared.jobs.job import Job
from shared.jobs.states import JobStatus


@dataclass(frozen=True, slots=True)
class JobFilter:
    """A filter for a list of a tenant's jobs. Without `statuses`, jobs of every status pass.

    `created_after` is inclusive and `created_before` exclusive; both carry a time zone. `prompt` is a part of the
    prompt in any case, and `metadata` has pairs that a job must have.
    """

    statuses: frozenset[JobStatus] = frozenset()
    created_after: datetime | None = None
    created_before: datetime | None = None
    is_oldest_first: bool = False
    batch: BatchId | None = None
    prompt: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def reads_jobs(self) -> bool:
        """Returns whether the filter has to read jobs to decide which ones pass."""
        return bool(self.prompt or self.metadata)

    def passes(self, job: Job) -> bool:
        """Returns whether the job's prompt (as sent or as enhanced) and metadata pass. Does not check the rest."""
        prompts = f"{job.spec.settings.prompt}\n{job.revised_prompt or ''}"
        return self.prompt.casefold() in prompts.casefold() and self.metadata.items() <= job.spec.metadata.items()

    def holds(self, job_id: JobId) -> bool:
        """Returns whether a job belongs to the batch of this filter, or whether the filter has no batch."""
        return self.batch is None or job_id.startswith(line_job_prefix(self.batch))

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
        prefix = line_job_prefix(self.batch) if self.batch else None
        lows = [first_job_id(self.created_after)] if self.created_after else []
        highs = [first_job_id(self.created_before)] if self.created_before else []
        if prefix:
            lows.append(JobId(prefix))
            highs.append(JobId(f"{prefix}~"))  # sorts after all characters of ids
        lowest, highest = max(lows, default=None), min(highs, default=None)
        lower, upper = f"[{lowest}" if lowest else "-", f"({highest}" if highest else "+"
        if after and self.is_oldest_first:
            lower = lower if lowest and lowest > after else f"({after}"
        elif after:
            upper = upper if highest and highest <= after else f"({after}"
        return lower, upper

    def kept_bounds(self, after: JobId | None) -> tuple[str, str]:
        """Returns the same for index entries (kept.lua), which are a job id and more."""
        lower, upper = self.bounds(after)
        return (f"{lower}}}" if after and lower == f"({after}" else lower), upper


ANY_JOB = JobFilter()
