"""Stores the results of batch lines whose jobs have ended."""

import time

import structlog

from shared.jobs.states import JobStatus
from shared.metrics.catalogue import BATCH_LINES
from shared.store.batch_work.work import Leased
from workers.batches.line_spans import trace_collected
from workers.batches.outputs import copy_pictures
from workers.batches.tools import Tools

log = structlog.get_logger()

_AT_ONCE = 200
# A step stops after the result with which it exceeds this size. Results with pictures in base64 are large.
_MOST_BYTES = 8 * 1024 * 1024


def collect(tools: Tools, found: Leased) -> int:
    """Stores the results of up to 200 batch lines whose jobs have ended, and returns the number of lines. After that,
    these jobs may be deleted. Copies their pictures first, if the batch has an `output_prefix`.

    If one of these jobs was retried meanwhile, this function stores nothing and returns 0.
    """
    formatter = tools.results(found)
    results: list[bytes] = []
    began_ns = time.time_ns()
    stored = []
    for ended in tools.work.ended(found.batch.batch_id, _AT_ONCE):
        results.append(formatter.of_job(ended.job, ended.line, ended.note))
        stored.append(ended)
        if sum(map(len, results)) > _MOST_BYTES:
            break
    num_bytes = copy_pictures(tools, found, stored)
    if not stored or not tools.advance(found, found.batch.cursor, results, stored=stored, copied_bytes=num_bytes):
        return 0
    for ended in stored:
        BATCH_LINES.labels("succeeded" if ended.job.status is JobStatus.SUCCEEDED else "failed").inc()
        trace_collected(found.batch, ended, began_ns)
    log.info("batch.collected", num_lines=len(stored))
    return len(stored)
