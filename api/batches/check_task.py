"""The task of a child process that checks the lines of a batch file: begin, take lines, end. Loads no Flask."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from api.batches.response_schemas import LineErrorAnswer, LineErrors, ValidationAnswer
from shared.access.limits import TenantLimits, never_fits
from shared.batches.batch import BatchSpec, Fault
from shared.egress.rules import EgressRules
from shared.files import FileId
from shared.intake.batch_file import BadBody, FileCheck
from shared.intake.line_cost import cost_of_line
from shared.intake.request import JobRequest
from shared.sandbox.frames import Head
from shared.settings.settings import Settings

_FILE = "file-"
_RETRIED = "fxc"  # states of lines that a retry takes up (shared/batches/batch.py)


@dataclass(slots=True)
class _Judge:
    """Finds what a release would refuse: lines over the tenant's limits. Notes the files that lines name."""

    limits: TenantLimits
    uses: dict[FileId, list[tuple[int, int, str]]] = field(default_factory=dict)

    def fault(self, line: int, custom_id: str, request: JobRequest) -> Fault | None:
        for place, image in enumerate(request.images):
            if image.startswith(_FILE):
                self.uses.setdefault(FileId(image), []).append((line, place, custom_id))
        cost = cost_of_line(request)
        why = never_fits(self.limits, cost.pictures, cost.pixels)
        return Fault(code="over_limit", message=why, line=line + 1) if why else None

    def missing(self, file_ids: Sequence[FileId]) -> list[BadBody]:
        """Returns a fault for each line that names one of the files; of several, the first."""
        found: dict[int, BadBody] = {}
        for file_id in file_ids:
            for line, place, custom_id in self.uses.get(file_id, ()):
                what = f"there is no file {file_id}"
                fault = Fault(code="invalid_image", message=what, param=f"images[{place}]", line=line + 1)
                found.setdefault(line, BadBody(custom_id, fault))
        return list(found.values())


@dataclass(slots=True)
class _Check:
    """The check of a file in progress."""

    spec: BatchSpec
    file: FileCheck
    judge: _Judge
    bad: list[BadBody] = field(default_factory=list)

    def answer(self) -> ValidationAnswer:
        check = self.file
        check.end()
        errors = [_error(fault, None) for fault in check.fatal]
        errors += [_error(body.fault, body.custom_id) for body in self.bad]
        num_invalid = len({error.line for error in errors if error.line})
        return ValidationAnswer(
            is_batch=not (check.fatal or (self.spec.strict and self.bad)),
            total=check.num_requests,
            valid=check.num_requests - num_invalid,
            invalid=num_invalid,
            errors=LineErrors(data=sorted(errors, key=lambda error: error.line or 0)),
            has_more=check.is_hopeless,
            warnings=_warnings(check),
        )

    def lacks(self, file_ids: Sequence[FileId]) -> None:
        """Adds the faults of lines whose files are not there."""
        known = {body.line for body in self.bad}
        self.bad += [body for body in self.judge.missing(file_ids) if body.line not in known]


_under_way: list[_Check] = []  # one, between `begin` and `end`


def do(ask: Head, data: bytes) -> tuple[dict[str, Any], bytes]:
    """Begins a check, checks the lines in `data`, names the files of the lines, or ends the check.

    The end takes the names of files that are not there, and returns the whole report in JSON beside the cost.
    """
    if ask["do"] == "begin":
        _under_way[:] = [_begun(ask)]
        return {}, b""
    [check] = _under_way
    if ask["do"] == "take":
        check.bad += check.file.take(data.split(b"\n"))
        return {"is_hopeless": check.file.is_hopeless}, b""
    if ask["do"] == "files":
        return {}, "\n".join(check.judge.uses).encode()
    _under_way.clear()
    check.lacks([FileId(name) for name in data.decode().split("\n")])
    return {"cost": asdict(check.file.cost)}, check.answer().model_dump_json().encode()


def _begun(ask: Head) -> _Check:
    spec, settings = BatchSpec.model_validate(ask["spec"], strict=False), Settings(**ask["settings"])
    rules = EgressRules.of(settings, lambda: bool(ask["is_open"]))
    judge, states = _Judge(TenantLimits(**ask["limits"])), ask["states"]
    check = FileCheck(spec, settings, rules, most_fatal=settings.max_batch_lines, judge=judge.fault)
    if states:
        check.left_out = lambda line: states[line : line + 1] not in _RETRIED
    return _Check(spec, check, judge)


def _error(fault: Fault, custom_id: str | None) -> LineErrorAnswer:
    return LineErrorAnswer(**fault.model_dump(), custom_id=custom_id)


def _warnings(check: FileCheck) -> list[str]:
    if not check.num_base64:
        return []
    return [
        f"{check.num_base64} lines ask for b64_json: the output file holds their pictures, some megabytes a line; "
        "links are always there"
    ]
