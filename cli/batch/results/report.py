"""Formats error messages about a batch with failed lines. Their line numbers refer to the file of prompts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli.batch.input.lines import Lines
from cli.batch.results.file import RESULTS, Result, Results
from cli.client import Json
from cli.errors import Failure
from shared.wording.values import with_field

_MOST_LISTED = 20


def refusal(prompts: Path, lines: Lines, batch: Json) -> Failure:
    """Returns the error for a batch that the service rejected as invalid. It lists up to 20 validation errors."""
    faults = (batch.get("errors") or {}).get("data", [])
    head = f"{batch['id']} failed: {prompts} is not a valid batch"
    return Failure(_list(head, [fault(lines, each) for each in faults], "`gridpress batch show --json` lists all"))


def fault(lines: Lines, error: Json) -> str:
    """Returns the text of one validation error: the line number, the field and the message."""
    number = lines.number(error.get("line"))
    where = f"line {number}: " if number else ""
    return where + with_field(error.get("param"), error["message"])


def unfinished(out: Path, lines: Lines, results: Results, batch: Json) -> str | None:
    """Returns a text that lists the lines that failed or never ran, or None if every picture is downloaded."""
    failed = [said for custom_id in lines.places if (said := _why(custom_id, lines, results.of(custom_id)))]
    if not failed:
        return None
    head = f"{batch['id']} {batch['status']}: {len(failed)} of {len(lines.places)} lines failed"
    return (
        _list(head, failed, f"the full list is in {out / RESULTS}")
        + "\n--retry-failed renders these lines again, except those with an invalid request"
    )


def _why(custom_id: str, lines: Lines, results: Sequence[Result]) -> str | None:
    """Returns a text with a line's `custom_id`, line number and first error, or None if the line has no error."""
    why = next((result.error for result in results if result.error), None) if results else "never rendered"
    return f"{custom_id} (line {lines.places[custom_id].number}): {why}" if why else None


def _list(head: str, said: Sequence[Any], more: str) -> str:
    """Returns `head` and up to 20 items, each on a line of its own.

    If there are more items, a last line has their number and the text `more`.
    """
    rest = [f"and {len(said) - _MOST_LISTED} more; {more}"] if len(said) > _MOST_LISTED else []
    return "\n  ".join([head, *said[:_MOST_LISTED], *rest])
