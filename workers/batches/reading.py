"""Reads the next lines of a batch's input file, each with its state."""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.batches.batch import Cursor, LineState, input_key
from shared.intake.batch_line import MOST_LINE_BYTES
from shared.store.batch_work.work import Leased
from workers.batches.tools import Tools


@dataclass(frozen=True, slots=True)
class InputLine:
    """One line of a batch's input file.

    `raw` holds the unchanged bytes of the line, `line` is the number of the line, from 0, and `after` is the position
    in the file where the next line begins.
    """

    line: int
    raw: bytes
    state: LineState
    after: Cursor


def next_lines(tools: Tools, found: Leased, most: int) -> Iterator[InputLine]:
    """Yields up to `most` lines of the batch's input file with their states, starting at the batch's cursor.

    The cursor is the position of the first line that no earlier step has worked on.
    """
    batch, cursor = found.batch, found.batch.cursor
    states = tools.batches.states(batch.batch_id, cursor.line, most)
    if not states:
        return
    file = tools.objects.lines(input_key(batch.batch_id), start=cursor.offset, most_bytes=MOST_LINE_BYTES)
    for line, (state, (end, raw)) in enumerate(zip(states, file, strict=False), cursor.line):
        yield InputLine(line, raw, state, Cursor(line + 1, end))
