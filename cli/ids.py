"""Completes ids that a person typed: the beginning of an id, or `@last` for the newest one."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice

from ulid import ULID

from cli.client import Client, Json
from cli.errors import Failure

NEWEST = "@last"
ID_HELP = "An id can be shortened to a beginning that only one has; @last is the newest."

_ULID_CHARS = 26
_TIME_CHARS = 10  # of a ULID; the other 16 are random
_START_OF_JOB = re.compile(r"(?:job_|(?=0))([0-7][0-9a-hjkmnp-tv-z]{0,25})", re.IGNORECASE)
_EDGE = timedelta(milliseconds=2)  # the API rounds times to milliseconds, maybe down
_MOST_SHOWN = 3


def whole_job_id(client: Client, given: str) -> str:
    """Returns the id of the job that a person means by its whole id, by the beginning of it, or by `@last`.

    Returns text of any other form unchanged, because it may be an id that a caller chose with PUT. Raises `Failure`
    when several jobs have this beginning, or when `@last` is given and there is no job.
    """
    if given == NEWEST:
        return _newest(client.jobs(None, 1)["data"], "job")
    match = _START_OF_JOB.fullmatch(given)
    if match is None or len(match[1]) == _ULID_CHARS:
        return given
    start = match[1].lower()
    lowest, highest = (_time_of(start.ljust(_ULID_CHARS, fill)) for fill in "0z")
    page = client.jobs(None, 100, created_after=lowest - _EDGE, created_before=highest + _EDGE)
    return _only_one(given, f"job_{start}", page["data"])


def whole_id(client: Client, given: str, kind: str, path: str) -> str:
    """Returns the id of a batch, file, webhook endpoint or dead letter. `path` is the API's list of them.

    `kind` is the word for one of them. Raises `Failure` like `whole_job_id`. Returns a text that no id begins with
    unchanged, and the API then says that there is none.
    """
    if given == NEWEST:
        return _newest(islice(client.each(path), 1), kind)
    if _is_whole(given):
        return given
    return _only_one(given, given, client.each(path))


def is_start_of(given: str, whole: str) -> bool:
    """Returns whether a person may mean the id `whole` by the text `given`: the id, or a beginning of it."""
    return bool(given) and whole.startswith((given, f"job_{given}"))


def _is_whole(given: str) -> bool:
    return re.fullmatch(rf".*[-_][0-9a-z]{{{_ULID_CHARS}}}(:\d{{4}})?", given) is not None and not (
        given.startswith("job_") and ":" not in given
    )


def _newest(found: Iterable[Json], kind: str) -> str:
    for one in found:
        return str(one["id"])
    raise Failure(f"{NEWEST}: there is no {kind} yet")


def _only_one(given: str, start: str, listed: Iterable[Json]) -> str:
    ids = [str(one["id"]) for one in listed if str(one["id"]).startswith(start)]
    if start in ids:
        return start
    if len(ids) > 1:
        shown = ", ".join(ids[:_MOST_SHOWN]) + (", ..." if len(ids) > _MOST_SHOWN else "")
        raise Failure(f"several ids begin with {given}: {shown}; give more characters of one")
    return ids[0] if ids else given


def _time_of(text: str) -> datetime:
    milliseconds = min(ULID.from_str(text.upper()).milliseconds, 2**45)
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
