"""What is told of a batch that did not wholly succeed: line by line, by the numbers of the file of prompts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli.batch.input.lines import Lines
from cli.batch.results.file import RESULTS, Result, Results
from cli.client import Json
from cli.errors import Failure

_MOST_TOLD = 20


def refusal(prompts: Path, lines: Lines, batch: Json) -> Failure:
    """Of a batch that failed in validation."""
    faults = (batch.get("errors") or {}).get("data", [])
    head = f"{batch['id']} failed: {prompts} was refused"
    return Failure(_list(head, [fault(lines, each) for each in faults], "`gridpress batch show --json` has them"))


def fault(lines: Lines, error: Json) -> str:
    """One thing that validation found: where, in which field, and what."""
    number = lines.number(error.get("line"))
    parts = [f"line {number}" if number else "", error.get("param") or "", error["message"]]
    return ": ".join(part for part in parts if part)


def unfinished(out: Path, lines: Lines, results: Results, batch: Json) -> str | None:
    """Which lines failed, or never ended; None when every picture is here."""
    told = [said for custom_id in lines.places if (said := _why(custom_id, lines, results.of(custom_id)))]
    if not told:
        return None
    head = f"{batch['id']} {batch['status']}: {len(told)} of {len(lines.places)} lines failed"
    return (
        _list(head, told, f"all of them: {out / RESULTS}")
        + "\n--retry-failed has them tried again, but for those whose request is wrong"
    )


def _why(custom_id: str, lines: Lines, results: Sequence[Result]) -> str | None:
    """The first that is wrong with a line."""
    why = next((result.error for result in results if result.error), None) if results else "never drawn"
    return f"{custom_id} (line {lines.places[custom_id].number}): {why}" if why else None


def _list(head: str, said: Sequence[Any], more: str) -> str:
    """The head and the first of what is said, each on a line of its own."""
    rest = [f"and {len(said) - _MOST_TOLD} more; {more}"] if len(said) > _MOST_TOLD else []
    return "\n  ".join([head, *said[:_MOST_TOLD], *rest])
