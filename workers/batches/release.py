"""Turns waiting lines into jobs, a few at a time. A line that still waits costs the job store one byte."""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice

import structlog
from structlog.contextvars import bound_contextvars

from shared.access.limits import TenantLimits, never_fits
from shared.batches.batch import Batch, BatchSpec, Fault, LineJob, LineState, line_job_id
from shared.errors import ImageNotMade, ImageNotReady, InvalidRequest, PriorNotFound, ServiceBusy
from shared.hints.send import Hints
from shared.intake.batch_file import BadBody
from shared.intake.batch_line import LineRequest, fault_of, line_request, read_envelope
from shared.intake.request import Body
from shared.intake.spec import Intake
from shared.metrics.catalogue import BATCH_LINES
from shared.store.batch_work.work import Leased
from shared.store.jobs.jobs import JobStore
from shared.store.jobs.submission import LineSubmission, first_queue
from shared.tracing.origin import log_ids
from workers.batches.limits import Limits, Room
from workers.batches.line_spans import line_origin
from workers.batches.reading import InputLine, next_lines
from workers.batches.results import note_of
from workers.batches.step import Tools

log = structlog.get_logger()

_LINES_READ = 5000  # in one step: most of them may have ended long ago, where a batch is retried
_MOST_AT_ONCE = 500
_FETCHERS = 8  # lines whose pictures are fetched at once
OTHER_BATCHES = "other_batches"  # of the same tenant, which go first
_FETCHING_S = 10.0  # after which no further line is begun: other batches are to have their turn


@dataclass(frozen=True, slots=True)
class Released:
    """The outcome of a step. `waiting_for` is the limit that holds lines back; `has_more`: the next step may start at
    once. `is_slow`: the next line waits for its pictures.
    """

    waiting_for: str = ""
    has_more: bool = False
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class _Asked:
    """A waiting line and its parsed request."""

    line: InputLine
    custom_id: str
    wanted: LineRequest
    limits: TenantLimits


@dataclass(frozen=True, slots=True)
class _Ready:
    """A line and its outcome: a job to submit or an error; None for a line that does not wait."""

    line: InputLine
    outcome: LineSubmission | BadBody | None


class Releaser:
    """Releases lines within the limits of the tenant and the service. At a limit, the batch waits and does not fail."""

    def __init__(self, tools: Tools, intake: Intake, jobs: JobStore, hints: Hints, limits: Limits) -> None:
        self._tools = tools
        self._intake = intake
        self._jobs = jobs
        self._hints = hints
        self._limits = limits

    def release(self, found: Leased) -> Released:
        """Releases the next lines. A repeated call changes nothing: the same lines have the same job ids."""
        room = self._limits.room(found)
        if room.wanted <= 0 or room.allowed <= 0:
            return Released(room.limit or (OTHER_BATCHES if found.is_behind else ""))
        lines, is_slow = self._all_ready(found, self._next(found, room))
        if not lines:
            return Released(room.limit, is_slow=is_slow)
        within = self._limits.within_pixels(found.batch.spec.tenant, [_pixels(line.outcome) for line in lines])
        kept = self._submit(found.batch, lines[:within])
        self._commit(found, lines[:kept])
        if kept < len(lines):
            return Released("pixels_per_day" if kept == within else "queued_renders")
        return Released(has_more=lines[-1].line.after.line < found.batch.num_lines, is_slow=is_slow)

    def _next(self, found: Leased, room: Room) -> Iterator[_Asked | _Ready]:
        """Yields the next lines, up to the room for renders. A line over a limit is reported before its images are
        fetched.
        """
        num_waiting = num_renders = 0
        limits = self._limits.of(found.batch.spec.tenant)
        for line in next_lines(self._tools, found, _LINES_READ):
            read = self._read(found.batch.spec, line, limits)
            num_waiting += line.state is LineState.WAITING
            num_renders += read.wanted.request.n if isinstance(read, _Asked) else 0
            if num_renders > room.allowed:
                return
            yield read
            if num_renders >= room.wanted or num_waiting == _MOST_AT_ONCE:
                return

    def _read(self, spec: BatchSpec, line: InputLine, limits: TenantLimits) -> _Asked | _Ready:
        if line.state is not LineState.WAITING:
            return _Ready(line, None)
        envelope = read_envelope(line.raw, line.line)
        try:
            wanted = line_request(spec, envelope.body, line.line, self._tools.settings, self._tools.rules)
        except InvalidRequest as error:  # a deadline that was still to come when the file was validated
            return _Ready(line, BadBody(envelope.custom_id, fault_of(error, line.line)))
        asked = _Asked(line, envelope.custom_id, wanted, limits)
        return _too_much(asked, wanted.request.n) or asked

    def _all_ready(self, found: Leased, lines: Iterable[_Asked | _Ready]) -> tuple[list[_Ready], bool]:
        """Fetches the images of the lines, as many as fit into the time. It has its own threads, so that it delays no
        other batch. Returns those lines, and whether the time was too short for all.
        """
        ready: list[_Ready] = []
        rest, ends_at = iter(lines), time.monotonic() + _FETCHING_S
        with ThreadPoolExecutor(_FETCHERS, thread_name_prefix="fetch") as pool:
            while some := list(islice(rest, _FETCHERS)):
                had = self._waited_for(found, [pool.submit(self._ready, found.batch, line) for line in some])
                ready += had
                if len(had) < len(some) or time.monotonic() >= ends_at:
                    return ready, True
        return ready, False

    def _waited_for(self, found: Leased, fetched: Sequence[Future[_Ready]]) -> list[_Ready]:
        while wait(fetched, self._tools.work.renew_every_s).not_done:
            self._tools.work.renew(found.lease)
        return list(_until_busy(fetched))

    def _ready(self, batch: Batch, read: _Asked | _Ready) -> _Ready:
        if isinstance(read, _Ready):
            return read
        with bound_contextvars(**batch.log_ids, line=read.line.line + 1):
            return self._made(batch, read)

    def _made(self, batch: Batch, read: _Asked) -> _Ready:
        try:
            made = self._submission(batch, read)
            return _too_much(read, made.spec.n, _pixels(made)) or _Ready(read.line, made)
        except InvalidRequest as error:
            fault = fault_of(error, read.line.line)
        except (PriorNotFound, ImageNotReady, ImageNotMade) as error:
            fault = Fault(code=error.code, message=str(error), param="prior", line=read.line.line + 1)
        return _Ready(read.line, BadBody(read.custom_id, fault))

    def _submission(self, batch: Batch, read: _Asked) -> LineSubmission:
        request, tenant, line = read.wanted.request, batch.spec.tenant, read.line.line
        source = self._intake.source_of(request, tenant)
        spec = self._intake.spec(Body(request), tenant, source)
        ends = (batch.times.expires_at, batch.spec.deadline, spec.deadline)
        spec = spec.model_copy(update={"deadline": min(filter(None, ends))})
        job = LineJob(batch.batch_id, line, note_of(read.custom_id, read.wanted.asked))
        job_id = line_job_id(batch.batch_id, batch.round, line)
        return LineSubmission(job_id, spec, job, source.prior if source else None)

    def _submit(self, batch: Batch, lines: Sequence[_Ready]) -> int:
        """Submits the lines. Returns how many, from the first on, are jobs now or need none."""
        places = [index for index, line in enumerate(lines) if isinstance(line.outcome, LineSubmission)]
        asked = [line.outcome for line in lines if isinstance(line.outcome, LineSubmission)]
        submissions = [replace(each, origin=line_origin(batch, each.job.line)) for each in asked]
        if not submissions:
            return len(lines)
        num = self._jobs.submit_lines(submissions)
        BATCH_LINES.labels("submitted").inc(num)
        for each in submissions[:num]:
            ids = log_ids(each.origin, job_id=each.job_id, batch_id=each.job.batch_id, line=each.job.line + 1)
            log.info("job.accepted", **each.spec.facts, **ids)
        for queue in {first_queue(each.spec, each.source) for each in submissions}:
            self._hints.top_up(queue)
        return len(lines) if num == len(submissions) else places[num]

    def _commit(self, found: Leased, lines: Sequence[_Ready]) -> None:
        bad = [line.outcome for line in lines if isinstance(line.outcome, BadBody)]
        told = self._tools.results(found)
        results = [told.of_fault(body.custom_id, body.fault) for body in bad]
        if lines:
            ended = {body.line: LineState.FAILED for body in bad}
            self._tools.advance(found, lines[-1].line.after, results, ended=ended)
            BATCH_LINES.labels("refused").inc(len(bad))


def _until_busy(fetched: Iterable[Future[_Ready]]) -> Iterator[_Ready]:
    """Yields the lines up to the first whose images could not be fetched for lack of time; that one waits."""
    for each in fetched:
        try:
            yield each.result()
        except ServiceBusy as error:
            log.info("batch.pictures_wait", reason=str(error))
            return


def _pixels(outcome: LineSubmission | BadBody | None) -> int:
    if not isinstance(outcome, LineSubmission):
        return 0
    settings = outcome.spec.settings
    return outcome.spec.n * settings.width_px * settings.height_px


def _too_much(asked: _Asked, num_renders: int, num_pixels: int = 0) -> _Ready | None:
    """Returns the error of a line that exceeds its tenant's limits on its own; None for any other."""
    why = never_fits(asked.limits, num_renders, num_pixels)
    if not why:
        return None
    return _Ready(asked.line, BadBody(asked.custom_id, Fault(code="over_limit", message=why, line=asked.line.line + 1)))
