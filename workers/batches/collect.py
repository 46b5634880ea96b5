"""Stores the results of lines whose jobs have ended."""

import time

import structlog

from shared.jobs.states import JobStatus
from shared.metrics.catalogue import BATCH_LINES
from shared.store.batch_work.work import Leased
from workers.batches.line_spans import tell_collected
from workers.batches.step import Tools

log = structlog.get_logger()

_AT_ONCE = 200
_MOST_BYTES = 8 * 1024 * 1024  # of one step, which is more only where a single line is: pictures in base64 are large


def collect(tools: Tools, found: Leased) -> int:
    """Stores results and returns how many. From then on the jobs of these lines may be deleted."""
    told = tools.results(found)
    results: list[bytes] = []
    began_ns = time.time_ns()
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
        tell_collected(found.batch, ended, began_ns)
    log.info("batch.collected", num_lines=len(stored))
    return len(stored)
