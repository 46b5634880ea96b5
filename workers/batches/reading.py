"""Reads on in the file of a batch: the next lines, and what became of each."""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.batches.batch import Cursor, LineState, input_key
from shared.intake.batch_line import MOST_LINE_BYTES
from shared.store.batch_work.work import Leased
from workers.batches.step import Tools


@dataclass(frozen=True, slots=True)
class InputLine:
    """A line, counted from 0, as it was sent. `after` is where the one behind it begins."""

    line: int
    raw: bytes
    state: LineState
    after: Cursor


def next_lines(tools: Tools, found: Leased, most: int) -> Iterator[InputLine]:
    """From the batch's cursor on."""
    batch, cursor = found.batch, found.batch.cursor
    states = tools.batches.states(batch.batch_id, cursor.line, most)
    if not states:
        return
    file = tools.objects.lines(input_key(batch.batch_id), start=cursor.offset, most_bytes=MOST_LINE_BYTES)
    for line, (state, (end, raw)) in enumerate(zip(states, file, strict=False), cursor.line):
        yield InputLine(line, raw, state, Cursor(line + 1, end))
