"""Ends the lines of a cancelled or expired batch that never became jobs."""

from shared.batches.batch import BatchStatus, LineState
from shared.intake.batch_line import read_envelope
from shared.metrics.catalogue import BATCH_LINES
from shared.store.batch_work.work import Leased
from workers.batches.reading import next_lines
from workers.batches.tools import Tools

_AT_ONCE = 2000


def sweep(tools: Tools, found: Leased) -> bool:
    """Ends up to 2,000 of the batch's next waiting lines as cancelled or expired. Returns whether the file has more
    lines.
    """
    state = LineState.CANCELLED if found.batch.end is BatchStatus.CANCELLED else LineState.EXPIRED
    formatter, cursor = tools.results(found), found.batch.cursor
    results, ended = [], {}
    for line in next_lines(tools, found, _AT_ONCE):
        cursor = line.after
        if line.state is LineState.WAITING:
            results.append(formatter.of_never_run(read_envelope(line.raw, line.line).custom_id, line.line, state))
            ended[line.line] = state
    if cursor != found.batch.cursor:
        tools.advance(found, cursor, results, ended=ended)
        BATCH_LINES.labels(state.name.lower()).inc(len(ended))
    return cursor.line < found.batch.num_lines
