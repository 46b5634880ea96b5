"""Turns waiting lines of a batch into jobs, a few at a time, because a waiting line costs the store only one byte."""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice

import structlog
from structlog.contextvars import bound_contextvars

from shared.access.limits import TenantLimits, never_fits
from shared.batches.batch import Batch, BatchSpec, Fault, LineJob, LineState, line_job_id
from shared.errors import ImageNotMade, ImageNotReady, InvalidRequest, PriorNotFound, ServiceBusy, TenantLimitReached
from shared.intake.batch_file import BadBody
from shared.intake.batch_line import LineRequest, fault_of, line_request, read_envelope
from shared.intake.request import Body
from shared.intake.spec import Intake
from shared.metrics.catalogue import BATCH_LINES
from shared.store.access.admission import Admission, Room
from shared.store.access.keys import KeyStore
from shared.store.batch_work.work import Leased
from shared.store.jobs.jobs import JobStore
from shared.store.jobs.submission import LineSubmission, first_queue
from shared.store.queues.hints import Hints
from shared.tracing.origin import log_ids
from workers.batches.line_spans import line_origin
from workers.batches.reading import InputLine, next_lines
from workers.batches.results import note_of
from workers.batches.tools import Tools

log = structlog.get_logger()

_LINES_READ = 5000  # at most in one step. In a retried batch most of these lines have ended already.
_MOST_AT_ONCE = 500  # waiting lines in one step
_FETCHERS = 8  # lines whose condition images are fetched at the same time
OTHER_BATCHES = "other_batches"  # the batch waits because other batches of its tenant go first
_FETCHING_S = 10.0  # After this time a step starts no further fetch, so that other batches get their turn.


@dataclass(frozen=True, slots=True)
class Released:
    """The outcome of one release step, which turned lines of a batch into jobs.

    `waiting_for` names the limit because of which lines have to wait, or is ''. `has_more` says that the next step may
    start at once. `is_slow` says that the next line has to wait until its condition images are fetched.
    """

    waiting_for: str = ""
    has_more: bool = False
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class _ParsedLine:
    """A waiting batch line with its parsed request and its tenant's limits."""

    line: InputLine
    custom_id: str
    wanted: LineRequest
    limits: TenantLimits


@dataclass(frozen=True, slots=True)
class _PreparedLine:
    """A batch line that is ready to be submitted.

    `outcome` is the job to submit or the error of the line. It is None for a line that needs no job, because the state
    of the line is not "waiting".
    """

    line: InputLine
    outcome: LineSubmission | BadBody | None


@dataclass(frozen=True, slots=True)
class Releaser:
    """Releases lines of a batch: turns waiting lines into jobs, within the limits of the tenant and the service.

    A batch that reaches a limit waits; it does not fail.
    """

    tools: Tools
    intake: Intake
    jobs: JobStore
    hints: Hints
    keys: KeyStore
    admission: Admission

    def release(self, found: Leased) -> Released:
        """Releases the next lines of the batch: turns them into jobs as far as the limits allow. Returns the outcome.

        A repeated call creates no second job, because a line always has the same job id.
        """
        tenant = found.batch.spec.tenant
        limits = self.keys.limits(tenant)
        room = self.admission.room(tenant, limits, found.room)
        if room.wanted <= 0 or room.allowed <= 0:
            return Released(room.limit or (OTHER_BATCHES if found.is_behind else ""))
        lines, is_slow = self._prepare_all(found, self._next(found, room, limits))
        if not lines:
            return Released(room.limit, is_slow=is_slow)
        within = self.admission.within_pixels(tenant, limits, [_pixels(line.outcome) for line in lines])
        kept = self._submit(found.batch, lines[:within])
        self._commit(found, lines[:kept])
        if kept < len(lines):
            return Released("pixels_per_day" if kept == within else "queued_renders")
        return Released(has_more=lines[-1].line.after.line < found.batch.num_lines, is_slow=is_slow)

    def _next(self, found: Leased, room: Room, limits: TenantLimits) -> Iterator[_ParsedLine | _PreparedLine]:
        """Reads and yields the next lines of the batch, until these lines have as many renders as `room` allows.

        A line that exceeds a limit of the tenant even without other lines becomes an error, before its condition images
        are fetched.
        """
        num_waiting = num_renders = 0
        for line in next_lines(self.tools, found, _LINES_READ):
            read = self._read(found.batch.spec, line, limits)
            num_waiting += line.state is LineState.WAITING
            num_renders += read.wanted.request.n if isinstance(read, _ParsedLine) else 0
            if num_renders > room.allowed:
                return
            yield read
            if num_renders >= room.wanted or num_waiting == _MOST_AT_ONCE:
                return

    def _read(self, spec: BatchSpec, line: InputLine, limits: TenantLimits) -> _ParsedLine | _PreparedLine:
        """Parses the request of a batch line.

        Returns an error if the line became invalid since the file was validated, or exceeds a limit even without other
        lines.
        """
        if line.state is not LineState.WAITING:
            return _PreparedLine(line, None)
        envelope = read_envelope(line.raw, line.line)
        try:
            rules, catalogue = self.tools.rules, self.tools.catalogue
            wanted = line_request(spec, envelope.body, line.line, self.tools.settings, rules, catalogue=catalogue)
        except InvalidRequest as error:  # for example, its deadline has passed since the file was validated
            return _PreparedLine(line, BadBody(envelope.custom_id, fault_of(error, line.line)))
        asked = _ParsedLine(line, envelope.custom_id, wanted, limits)
        return _too_much(asked, wanted.request.n) or asked

    def _prepare_all(
        self, found: Leased, lines: Iterable[_ParsedLine | _PreparedLine]
    ) -> tuple[list[_PreparedLine], bool]:
        """Prepares the lines as jobs, which includes fetching their condition images.

        Starts no more lines after 10 s, or when the service is too busy to fetch. Returns the prepared lines, and
        whether it stopped early. Each call has its own thread pool, so slow fetches delay no other batch.
        """
        ready: list[_PreparedLine] = []
        rest, ends_at = iter(lines), time.monotonic() + _FETCHING_S
        with ThreadPoolExecutor(_FETCHERS, thread_name_prefix="fetch") as pool:
            while some := list(islice(rest, _FETCHERS)):
                had = self._wait_for(found, [pool.submit(self._prepare, found.batch, line) for line in some])
                ready += had
                if len(had) < len(some) or time.monotonic() >= ends_at:
                    return ready, True
        return ready, False

    def _wait_for(self, found: Leased, fetched: Sequence[Future[_PreparedLine]]) -> list[_PreparedLine]:
        """Waits until the condition images of the lines are fetched, and renews the batch's lease meanwhile.

        Returns the prepared lines up to the first line that can't become a job in this step.
        """
        while wait(fetched, self.tools.work.renew_every_s).not_done:
            self.tools.work.renew(found.lease)
        return list(_until_busy(fetched))

    def _prepare(self, batch: Batch, read: _ParsedLine | _PreparedLine) -> _PreparedLine:
        if isinstance(read, _PreparedLine):
            return read
        with bound_contextvars(**batch.log_ids, line=read.line.line + 1):
            return self._make_job(batch, read)

    def _make_job(self, batch: Batch, read: _ParsedLine) -> _PreparedLine:
        try:
            made = self._submission(batch, read)
            return _too_much(read, made.spec.n, _pixels(made)) or _PreparedLine(read.line, made)
        except InvalidRequest as error:
            fault = fault_of(error, read.line.line)
        except (PriorNotFound, ImageNotReady, ImageNotMade) as error:
            fault = Fault(code=error.code, message=str(error), param="prior", line=read.line.line + 1)
        return _PreparedLine(read.line, BadBody(read.custom_id, fault))

    def _submission(self, batch: Batch, read: _ParsedLine) -> LineSubmission:
        request, tenant, line = read.wanted.request, batch.spec.tenant, read.line.line
        source = self.intake.source_of(request, tenant)
        spec = self.intake.spec(Body(request), tenant, source)
        ends = (batch.times.expires_at, batch.spec.deadline, spec.deadline)
        spec = spec.model_copy(update={"deadline": min(filter(None, ends))})
        job = LineJob(batch.batch_id, line, note_of(read.custom_id, read.wanted.asked))
        job_id = line_job_id(batch.batch_id, batch.round, line)
        route = self.intake.catalogue.route(spec.model, job_id)
        return LineSubmission(job_id, spec, job, source.prior if source else None, route=route)

    def _submit(self, batch: Batch, lines: Sequence[_PreparedLine]) -> int:
        """Creates the jobs of the prepared batch lines, in order, until the tenant's limit of queued renders is
        reached.

        Returns the number of lines before the first line whose job was not created. Lines that need no job are counted
        as well.
        """
        places = [index for index, line in enumerate(lines) if isinstance(line.outcome, LineSubmission)]
        asked = [line.outcome for line in lines if isinstance(line.outcome, LineSubmission)]
        submissions = [replace(each, origin=line_origin(batch, each.job.line)) for each in asked]
        if not submissions:
            return len(lines)
        num = self.jobs.submit_lines(submissions)
        BATCH_LINES.labels("submitted").inc(num)
        for each in submissions[:num]:
            ids = log_ids(each.origin, job_id=each.job_id, batch_id=each.job.batch_id, line=each.job.line + 1)
            log.info("job.accepted", **each.spec.facts, **ids)
        for queue in {first_queue(each.spec, each.source) for each in submissions}:
            self.hints.top_up(queue)
        return len(lines) if num == len(submissions) else places[num]

    def _commit(self, found: Leased, lines: Sequence[_PreparedLine]) -> None:
        """Stores the errors of the lines as results, and moves the batch's cursor (the next line to read) behind these
        lines.
        """
        bad = [line.outcome for line in lines if isinstance(line.outcome, BadBody)]
        formatter = self.tools.results(found)
        results = [formatter.of_fault(body.custom_id, body.fault) for body in bad]
        if lines:
            ended = {body.line: LineState.FAILED for body in bad}
            self.tools.advance(found, lines[-1].line.after, results, ended=ended)
            BATCH_LINES.labels("refused").inc(len(bad))


def _until_busy(fetched: Iterable[Future[_PreparedLine]]) -> Iterator[_PreparedLine]:
    """Yields prepared lines, up to the first line whose images could not be fetched because the service is busy, or
    could not be stored because of the tenant's limit.

    That line and all later lines are not yielded. They remain waiting lines of the batch, for a later step.
    """
    for each in fetched:
        try:
            yield each.result()
        except (ServiceBusy, TenantLimitReached) as error:  # the latter: no room for the bytes of its images
            log.info("batch.pictures_wait", reason=str(error))
            return


def _pixels(outcome: LineSubmission | BadBody | None) -> int:
    """Returns the number of pixels in all renders of the line's job, or 0 if the line becomes no job."""
    if not isinstance(outcome, LineSubmission):
        return 0
    settings = outcome.spec.settings
    return outcome.spec.n * settings.width_px * settings.height_px


def _too_much(asked: _ParsedLine, num_renders: int, num_pixels: int = 0) -> _PreparedLine | None:
    """Returns an error if a batch line exceeds a limit of its tenant even without other lines, else None."""
    why = never_fits(asked.limits, num_renders, num_pixels)
    if not why:
        return None
    return _PreparedLine(
        asked.line, BadBody(asked.custom_id, Fault(code="over_limit", message=why, line=asked.line.line + 1))
    )
