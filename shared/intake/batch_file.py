"""Checks every line of a batch file once: whether the whole file is valid, and which of its lines can be rendered."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from shared.batches.batch import BatchCost, BatchSpec, Fault, LineState
from shared.batches.outputs import stem_of
from shared.egress.rules import EgressRules
from shared.errors import InvalidRequest
from shared.intake.batch_line import BadLine, Envelope, LineRequest, fault_of, line_request, read_envelope
from shared.intake.file_kinds import why_no_lines, without_mark
from shared.intake.line_cost import cost_of_line
from shared.intake.request import JobRequest
from shared.models.catalogue import Catalogue
from shared.settings.settings import Settings

_MOST_FATAL = 100
_BLANK_PER_REQUEST = 4  # blank lines count for no limit, but the state of each line takes memory

_WEB = ("http://", "https://")
NOT_FETCHED = "images at web URLs were not fetched: whether they are pictures is checked when the lines become jobs"

Judge = Callable[[int, str, JobRequest], Fault | None]  # arguments: line number from 0, `custom_id`, request


def _never(*_: object) -> None:
    """The default of `FileCheck.judge`, which can refuse lines of a batch file. Finds no fault in any line."""


def _none(_: int) -> bool:
    """The default of `FileCheck.left_out`. Returns False for every line, so that every line belongs to the batch."""
    return False


def _hints_of(line: LineRequest) -> list[str]:
    """Returns the warnings about one line: its fields without effect, and its images that are fetched only later."""
    fetched = [NOT_FETCHED] if any(image.lower().startswith(_WEB) for image in line.request.images) else []
    return [*(line.asked.warnings if line.asked else ()), *fetched]


@dataclass(frozen=True, slots=True)
class BadBody:
    """A line of a batch file whose request is invalid. This line fails alone; the other lines are still rendered."""

    custom_id: str
    fault: Fault

    @property
    def line(self) -> int:
        """Returns the number of the invalid line in the batch file, counted from 0."""
        assert self.fault.line is not None
        return self.fault.line - 1


@dataclass(slots=True)
class FileCheck:
    """Checks a batch file line by line. Stores the `custom_id` of each line and its state, which is one character.

    - `most_fatal`: the check may stop after this many faults that make the whole batch fail.
    - `judge` is called for each valid line. It may return a fault, and the line is then refused.
    - `left_out` returns whether a line (counted from 0) does not belong to the batch.
    - `cost` is the sum over the lines that can be rendered.
    - `hints` counts, by its text, each warning that a job with the same request would have.
    - `num_requests` is the number of lines that are neither blank nor left out.
    """

    spec: BatchSpec
    settings: Settings
    rules: EgressRules
    catalogue: Catalogue
    most_fatal: int = _MOST_FATAL
    states: list[LineState] = field(default_factory=list)
    fatal: list[Fault] = field(default_factory=list)
    num_base64: int = 0
    hints: Counter[str] = field(default_factory=Counter)
    cost: BatchCost = field(default_factory=BatchCost)
    judge: Judge = _never
    left_out: Callable[[int], bool] = _none
    num_requests: int = field(default=0, init=False)
    _is_unreadable: bool = field(default=False, init=False)
    _lines_of: dict[str, int] = field(default_factory=dict)
    _lines_of_names: dict[str, int] = field(default_factory=dict)

    @property
    def is_hopeless(self) -> bool:
        """Returns whether the check may stop because the batch fails in any case."""
        return self._is_unreadable or len(self.fatal) >= self.most_fatal or self._has_too_many_lines

    @property
    def _has_too_many_lines(self) -> bool:
        most = self.settings.max_batch_lines
        return self.num_requests > most or len(self.states) > (1 + _BLANK_PER_REQUEST) * most

    def take(self, lines: Iterable[bytes]) -> list[BadBody]:
        """Checks the next lines of the batch file. Returns the lines whose request is invalid.

        A malformed line is added to `fatal` instead, because it makes the whole batch fail. The check stops at a line
        which shows that the file is no JSON lines, because every further line would have the same fault.
        """
        return [bad for raw in lines if not self._is_unreadable and (bad := self._take(raw)) is not None]

    def end(self) -> None:
        """Ends the check after the last line of the file. Adds a fault if the file has too many lines or none."""
        most = self.settings.max_batch_lines
        if self._has_too_many_lines:
            what = f"a batch has at most {most} lines"
            if self.num_requests <= most:
                what += f", and its file has at most {_BLANK_PER_REQUEST * most} blank lines"
            self.fatal.insert(0, Fault(code="too_many_lines", message=what))
        elif not self.num_requests:
            self.fatal.append(Fault(code="empty_file", message="the file has no lines"))

    def _take(self, raw: bytes) -> BadBody | None:
        line = len(self.states)
        self.states.append(LineState.WAITING)
        if not (raw if line else without_mark(raw)).strip() or self.left_out(line):
            self.states[line] = LineState.LEFT_OUT
            return None
        self.num_requests += 1
        if why := why_no_lines(raw, is_first=self.num_requests == 1):
            self._is_unreadable = True
            self.fatal.append(Fault(code="invalid_json_line", message=why, line=line + 1))
            return None
        try:
            envelope = read_envelope(raw, line)
            self._check(envelope, line)
        except BadLine as error:
            self.fatal.append(error.fault)
            return None
        try:
            found = line_request(self.spec, envelope.body, line, self.settings, self.rules, catalogue=self.catalogue)
        except InvalidRequest as error:
            return self._bad(envelope, fault_of(error, line))
        if fault := self.judge(line, envelope.custom_id, found.request):
            return self._bad(envelope, fault)
        self.num_base64 += found.asked is not None and found.asked.response_format == "b64_json"
        self.hints.update(_hints_of(found))
        self.cost += cost_of_line(found.request)
        return None

    def _bad(self, envelope: Envelope, fault: Fault) -> BadBody:
        assert fault.line is not None
        self.states[fault.line - 1] = LineState.INVALID
        return BadBody(envelope.custom_id, fault)

    def _check(self, envelope: Envelope, line: int) -> None:
        if envelope.url != self.spec.endpoint:
            what = f"the batch is for {self.spec.endpoint}, not {envelope.url[:100]}"
            raise BadLine(Fault(code="mismatched_endpoint", message=what, param="url", line=line + 1))
        earlier = self._lines_of.setdefault(envelope.custom_id, line)
        if earlier != line:
            what = f"line {earlier + 1} has the same custom_id"
            raise BadLine(Fault(code="duplicate_custom_id", message=what, param="custom_id", line=line + 1))
        if self.spec.output_prefix:
            self._check_name(envelope.custom_id, line)

    def _check_name(self, custom_id: str, line: int) -> None:
        """Raises `BadLine` if an earlier line has the same name for its pictures on systems that ignore case."""
        earlier = self._lines_of_names.setdefault(stem_of(custom_id).casefold(), line)
        if earlier != line:
            what = f"only case differs from line {earlier + 1}; under an output_prefix, names must differ in more"
            raise BadLine(Fault(code="duplicate_custom_id", message=what, param="custom_id", line=line + 1))
