"""Resolves client ids of jobs. A client chooses such an id with PUT, and every route accepts it like a job id."""

import re
from collections.abc import Sequence
from typing import Any

from flask import g, request
from structlog.contextvars import bind_contextvars

from api.edge.authentication import caller
from api.services import services
from shared.errors import InvalidRequest, JobNotFound
from shared.ids import JobId

# A client id never looks like a job id of the service, and it needs no escaping in a path.
_CLIENT_ID = re.compile(r"(?!job_)[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
_OURS = re.compile(r"job_[0-9a-z]{26}")
_CHANGING = ("POST", "DELETE")


def resolve_client_id() -> None:
    """Replaces a client id in the path of the current request by the job id. Raises `JobNotFound`.

    Runs before every route, after authentication. If the request changes a job, its log lines get the job id.
    """
    arguments = request.view_args or {}
    _resolve(arguments)
    if request.method in _CHANGING and _OURS.fullmatch(arguments.get("job_id", "")):
        bind_contextvars(job_id=arguments["job_id"])


def _resolve(arguments: dict[str, Any]) -> None:
    is_public = "caller" not in g  # a signed link has the service's own id
    if is_public or request.method == "PUT" or not _CLIENT_ID.fullmatch(arguments.get("job_id", "")):
        return
    job_id = services().store.named(arguments["job_id"], caller().tenant)
    if job_id is None:
        raise JobNotFound(f"no job {arguments['job_id']}")
    arguments["job_id"] = job_id


def jobs_meant(ids: Sequence[str]) -> dict[str, JobId]:
    """Returns for each of these ids the id of the job that the caller means by it: the id itself, or the job to which
    the caller gave this id. An id under which there can be no job is left out.

    Takes at most one round trip to the store. The jobs may not exist, or may belong to another tenant.
    """
    own_names = [each for each in dict.fromkeys(ids) if _CLIENT_ID.fullmatch(each)]
    named = services().store.all_named(own_names, caller().tenant)
    return {**{each: JobId(each) for each in ids if _OURS.fullmatch(each)}, **named}


def checked_client_id(client_id: str) -> str:
    """Returns the client id of a job unchanged. Raises `InvalidRequest` if it is malformed."""
    if not _CLIENT_ID.fullmatch(client_id):
        what = "1 to 128 letters, digits and . _ ~ -, and begin with a letter or digit, but not with job_"
        raise InvalidRequest(f"client_id must be {what}", "client_id")
    return client_id
