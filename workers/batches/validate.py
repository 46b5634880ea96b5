"""Runs the first step of a batch: copies the input file and validates all its lines.

After a crash, this step starts from the beginning.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from shared.batches.batch import Fault, Segment, input_key
from shared.errors import ObjectNotFound
from shared.files import file_key
from shared.intake.batch_file import BadBody, FileCheck
from shared.intake.batch_line import MOST_LINE_BYTES
from shared.store.batch_work.work import Leased
from workers.batches.segments import store_segment
from workers.batches.tools import Tools

_AT_ONCE = 1000  # lines that are validated between two renewals of the lease
_MOST_REPORTED = 100  # errors that a failed batch reports

Item = TypeVar("Item")


def validate(tools: Tools, found: Leased) -> bool:
    """Validates the input file of a batch, then starts the batch or fails it.

    Returns whether the batch started. The error results of its invalid lines are then stored already.
    """
    try:
        _take_over(tools, found)
    except ObjectNotFound:
        gone = Fault(code="file_not_found", message="the input file no longer exists", param="input_file_id")
        tools.work.refuse(found.lease, [gone])
        return False
    if found.batch.num_lines:  # a retry: its lines were validated for the original batch
        tools.work.start(found.lease, [], [])
        return True
    check, bad = _checked(tools, found)
    faults = check.fatal + [body.fault for body in bad if found.batch.spec.strict]
    if faults:
        tools.work.refuse(found.lease, sorted(faults, key=lambda fault: fault.line or 0)[:_MOST_REPORTED])
        return False
    tools.work.start(found.lease, check.states, list(_segments(tools, found, bad)), check.cost)
    return True


def _take_over(tools: Tools, found: Leased) -> None:
    """Copies the input file of the batch, because the caller's file may expire or be deleted while the batch runs."""
    spec = found.batch.spec
    source = input_key(spec.retry_of) if spec.retry_of else file_key(spec.input_file_id)
    tools.objects.copy(source, input_key(found.batch.batch_id))


def _checked(tools: Tools, found: Leased) -> tuple[FileCheck, list[BadBody]]:
    """Validates all lines of the batch's input file, and renews the batch's lease meanwhile.

    Returns the finished check and the invalid lines. Stops early when the whole file is invalid.
    """
    check = FileCheck(found.batch.spec, tools.settings, tools.rules, tools.catalogue)
    bad: list[BadBody] = []
    lines = tools.objects.lines(input_key(found.batch.batch_id), most_bytes=MOST_LINE_BYTES)
    for raws in _chunks(raw for _, raw in lines):
        bad += check.take(raws)
        tools.work.renew(found.lease)
        if check.is_hopeless:
            break
    check.end()
    return check, bad


def _segments(tools: Tools, found: Leased, bad: list[BadBody]) -> Iterator[Segment]:
    """Stores the error results of invalid lines in segments, and yields these segments."""
    results = tools.results(found)
    for number, some in enumerate(_chunks(bad)):
        lines = [results.of_fault(body.custom_id, body.fault) for body in some]
        yield store_segment(tools.objects, found.lease, number, lines)


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yields the items in lists of up to 1,000."""
    rest = iter(items)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
