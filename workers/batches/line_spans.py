"""Writes the trace spans of batch lines. Each line has a trace of its own, linked to the request of the batch.

One common trace for 50,000 pictures would be unreadable.
"""

from dataclasses import replace

from shared.batches.batch import Batch, BatchId
from shared.store.batch_work.work import EndedLine
from shared.tracing.origin import Origin, Trace
from shared.tracing.span import Value
from shared.tracing.spans import begin_span


def line_origin(batch: Batch, line: int) -> Origin | None:
    """Returns the origin of a batch line's job, which logs and traces show: the request id of the batch, and the line's
    own trace.
    """
    origin = batch.origin
    return replace(origin, trace=_trace_of_line(batch.batch_id, line, origin.trace)) if origin else None


def trace_collected(batch: Batch, ended: EndedLine, began_ns: int) -> None:
    """Writes the trace span for storing the result of a batch line."""
    trace = ended.job.origin.trace if ended.job.origin else None
    if span := begin_span("batch.collect", parent=trace, began_at_ns=began_ns):
        fields: dict[str, Value] = {"batch_id": batch.batch_id, "line": ended.line + 1, "job_id": ended.job.job_id}
        fields |= {"outcome": ended.job.status.value}
        span.end({f"gridpress.{name}": value for name, value in fields.items()})


def _trace_of_line(batch_id: BatchId, line: int, batch: Trace | None) -> Trace | None:
    """Starts a trace for a batch line and returns it. `batch` is the trace of the request that created the batch.

    Returns None when tracing is off. If the trace of that request is not sampled (not recorded), returns that trace and
    starts none.
    """
    if batch is not None and not batch.is_sampled:
        return batch
    span = begin_span("batch.line", link=batch)
    if span is None:
        return None
    span.end({"gridpress.batch_id": batch_id, "gridpress.line": line + 1})
    return span.trace
