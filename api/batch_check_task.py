"""The task of a child process that checks the lines of a batch file: begin, take lines, end. Loads no Flask."""

from dataclasses import dataclass, field
from typing import Any

from api.batch_answers import LineErrorAnswer, LineErrors, ValidationAnswer
from shared.batches import BatchSpec, Fault
from shared.egress.rules import EgressRules
from shared.intake.batch_file import BadBody, FileCheck
from shared.sandbox.frames import Head
from shared.settings import Settings


@dataclass(slots=True)
class _Check:
    """The check of a file in progress."""

    spec: BatchSpec
    file: FileCheck
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


_under_way: list[_Check] = []  # one, between `begin` and `end`


def do(ask: Head, data: bytes) -> tuple[dict[str, Any], bytes]:
    """Begins a check, checks the lines in `data`, or ends the check and returns the whole report in JSON."""
    if ask["do"] == "begin":
        _under_way[:] = [_begun(ask)]
        return {}, b""
    [check] = _under_way
    if ask["do"] == "take":
        check.bad += check.file.take(data.split(b"\n"))
        return {"is_hopeless": check.file.is_hopeless}, b""
    _under_way.clear()
    return {}, check.answer().model_dump_json().encode()


def _begun(ask: Head) -> _Check:
    spec, settings = BatchSpec.model_validate(ask["spec"], strict=False), Settings(**ask["settings"])
    rules = EgressRules.of(settings, lambda: bool(ask["is_open"]))
    return _Check(spec, FileCheck(spec, settings, rules, most_fatal=settings.max_batch_lines))


def _error(fault: Fault, custom_id: str | None) -> LineErrorAnswer:
    return LineErrorAnswer(**fault.model_dump(), custom_id=custom_id)


def _warnings(check: FileCheck) -> list[str]:
    if not check.num_base64:
        return []
    return [
        f"{check.num_base64} lines ask for b64_json: the output file holds their pictures, some megabytes a line; "
        "links are always there"
    ]
