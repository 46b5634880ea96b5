"""Stores the results of lines whose jobs have ended."""

from shared.metrics.catalogue import BATCH_LINES
from shared.states import JobStatus
from shared.store.batch_work import Leased
from workers.batches.step import Tools

_AT_ONCE = 200
_MOST_BYTES = 8 * 1024 * 1024  # of one step, which is more only where a single line is: pictures in base64 are large


def collect(tools: Tools, found: Leased) -> int:
    """Stores results and returns how many. From then on the jobs of these lines may be deleted."""
    told = tools.results(found)
    results: list[bytes] = []
    stored = []
    for ended in tools.work.ended(found.batch.batch_id, _AT_ONCE):
        results.append(told.of_job(ended.job, ended.line, ended.note))
        stored.append(ended)
        if sum(map(len, results)) > _MOST_BYTES:
            break
    if not stored or not tools.advance(found, found.batch.cursor, results, stored=stored):
        return 0
    for ended in stored:
        BATCH_LINES.labels("succeeded" if ended.job.status is JobStatus.SUCCEEDED else "failed").inc()
    return len(stored)
