"""Traces of batch lines. Each line has a trace of its own, linked to the request that made the batch: a trace of 50,000
pictures could not be read.
"""

from shared.batches.batch import Batch, BatchId
from shared.store.batch_work.work import EndedLine
from shared.tracing.origin import Origin, Trace
from shared.tracing.spans import Value, begin_span


def line_origin(batch: Batch, line: int) -> Origin | None:
    """Returns the origin of the job that a line becomes: the batch's request, and the line's trace."""
    origin = batch.origin
    return Origin(origin.request_id, _trace_of_line(batch.batch_id, line, origin.trace)) if origin else None


def tell_collected(batch: Batch, ended: EndedLine, began_ns: int) -> None:
    """Records that the result of the line is stored."""
    trace = ended.job.origin.trace if ended.job.origin else None
    if span := begin_span("batch.collect", parent=trace, began_at_ns=began_ns):
        told: dict[str, Value] = {"batch_id": batch.batch_id, "line": ended.line + 1, "job_id": ended.job.job_id}
        told |= {"outcome": ended.job.status.value}
        span.end({f"gridpress.{name}": value for name, value in told.items()})


def _trace_of_line(batch_id: BatchId, line: int, batch: Trace | None) -> Trace | None:
    """Without tracing, or for a request whose trace is not recorded, a line makes no trace, either."""
    if batch is not None and not batch.is_sampled:
        return batch
    span = begin_span("batch.line", link=batch)
    if span is None:
        return None
    span.end({"gridpress.batch_id": batch_id, "gridpress.line": line + 1})
    return span.trace
