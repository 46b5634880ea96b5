"""Checks the lines of a batch file. This code runs in a child process, which gets the lines in groups.

It never loads Flask.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from api.batches.response_schemas import LineErrorResponse, LineErrors, ValidationResponse
from shared.access.limits import TenantLimits, never_fits
from shared.batches.batch import BatchSpec, Fault
from shared.egress.rules import EgressRules
from shared.files import FileId
from shared.intake.batch_file import BadBody, FileCheck
from shared.intake.line_cost import cost_of_line
from shared.intake.request import JobRequest
from shared.models.catalogue import Catalogue
from shared.models.names import ModelNames
from shared.sandbox.frames import Head
from shared.settings.settings import Settings

_FILE = "file-"
_RETRIED = "fxc"  # states of lines that a retry renders again: failed, expired, cancelled (shared/batches/batch.py)


@dataclass(slots=True)
class _LimitCheck:
    """Finds the lines of an input file that exceed the tenant's limits. Also collects the ids of files that lines use.

    Without this check, these lines would fail only when they become jobs.
    """

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
        """Returns one fault (a stored reason) for each batch line that uses at least one of these files.

        `file_ids` are the ids of files that don't exist.
        """
        found: dict[int, BadBody] = {}
        for file_id in file_ids:
            for line, place, custom_id in self.uses.get(file_id, ()):
                what = f"there is no file {file_id}"
                fault = Fault(code="invalid_image", message=what, param=f"images[{place}]", line=line + 1)
                found.setdefault(line, BadBody(custom_id, fault))
        return list(found.values())


@dataclass(slots=True)
class _Check:
    """The state of the running check of one batch file: the lines checked so far, and the faults found."""

    spec: BatchSpec
    file: FileCheck
    judge: _LimitCheck
    bad: list[BadBody] = field(default_factory=list)

    def answer(self) -> ValidationResponse:
        check = self.file
        check.end()
        errors = [_error(fault, None) for fault in check.fatal]
        errors += [_error(body.fault, body.custom_id) for body in self.bad]
        num_invalid = len({error.line for error in errors if error.line})
        return ValidationResponse(
            is_batch=not (check.fatal or (self.spec.strict and self.bad)),
            total=check.num_requests,
            valid=check.num_requests - num_invalid,
            invalid=num_invalid,
            errors=LineErrors(data=sorted(errors, key=lambda error: error.line or 0)),
            has_more=check.is_hopeless,
            warnings=_warnings(check),
        )

    def add_missing_files(self, file_ids: Sequence[FileId]) -> None:
        """Adds a fault for each line that uses a file that does not exist.

        `file_ids` are the ids of the missing files.
        """
        known = {body.line for body in self.bad}
        self.bad += [body for body in self.judge.missing(file_ids) if body.line not in known]


_under_way: list[_Check] = []  # the running check, between `begin` and `end`


def do(ask: Head, data: bytes) -> tuple[dict[str, Any], bytes]:
    """Runs one command in the child process that checks a batch file. Returns the response: a JSON object and bytes.

    `ask["do"]` names the command:
    - `begin` starts the check of a file.
    - `take` checks the lines in `data`.
    - `files` returns the ids of the files that the lines use.
    - `end` ends the check. In `data` it gets the ids of those files that don't exist. It returns the cost of the batch
      and the report in JSON.
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
    check.add_missing_files([FileId(name) for name in data.decode().split("\n")])
    return {"cost": asdict(check.file.cost)}, check.answer().model_dump_json().encode()


def _begun(ask: Head) -> _Check:
    spec, settings = BatchSpec.model_validate(ask["spec"], strict=False), Settings(**ask["settings"])
    rules = EgressRules.of(settings, lambda: bool(ask["is_open"]))
    judge, states = _LimitCheck(TenantLimits(**ask["limits"])), ask["states"]
    catalogue = Catalogue.parse(ask["models"], ModelNames.of(settings))
    check = FileCheck(spec, settings, rules, catalogue, most_fatal=settings.max_batch_lines, judge=judge.fault)
    if states:
        check.left_out = lambda line: states[line : line + 1] not in _RETRIED
    return _Check(spec, check, judge)


def _error(fault: Fault, custom_id: str | None) -> LineErrorResponse:
    return LineErrorResponse(**fault.model_dump(), custom_id=custom_id)


def _warnings(check: FileCheck) -> list[str]:
    """Returns the warnings about a file: one text for each kind, with the number of its lines."""
    found = [f"{_lines(num)}: {text}" for text, num in sorted(check.hints.items())]
    if check.num_base64:
        found.append(
            f"{check.num_base64} lines ask for b64_json: the output file will contain their pictures, some megabytes "
            "for each line. Every result has links to its pictures anyway"
        )
    return found


def _lines(num: int) -> str:
    return "1 line" if num == 1 else f"{num} lines"
