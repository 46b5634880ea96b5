"""Ends the lines that never became jobs, once the batch is cancelled or its time is over."""

from shared.batches.batch import BatchStatus, LineState
from shared.intake.batch_line import read_envelope
from shared.metrics.catalogue import BATCH_LINES
from shared.store.batch_work.work import Leased
from workers.batches.reading import next_lines
from workers.batches.step import Tools

_AT_ONCE = 2000


def sweep(tools: Tools, found: Leased) -> bool:
    """The next lines. Returns whether there may be more."""
    state = LineState.CANCELLED if found.batch.end is BatchStatus.CANCELLED else LineState.EXPIRED
    told, cursor = tools.results(found), found.batch.cursor
    results, ended = [], {}
    for line in next_lines(tools, found, _AT_ONCE):
        cursor = line.after
        if line.state is LineState.WAITING:
            results.append(told.of_never_run(read_envelope(line.raw, line.line).custom_id, line.line, state))
            ended[line.line] = state
    if cursor != found.batch.cursor:
        tools.advance(found, cursor, results, ended=ended)
        BATCH_LINES.labels(state.name.lower()).inc(len(ended))
    return cursor.line < found.batch.num_lines
