"""Jobs by the id that their owner gave them with PUT: wherever a route takes a job id, it takes that one, too."""

import re
from typing import Any

from flask import request
from structlog.contextvars import bind_contextvars

from api.edge.callers import caller
from api.services import services
from shared.errors import InvalidRequest, JobNotFound

# Never one of ours, and safe in a path as it is.
_CLIENT_ID = re.compile(r"(?!job_)[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
_OURS = re.compile(r"job_[0-9a-z]{26}")
_CHANGING = ("POST", "DELETE")


def resolve_name() -> None:
    """Before every route, once the caller is known: the routes see the job's own id. Raises `JobNotFound`.

    Log lines of requests that change a job name it.
    """
    arguments = request.view_args or {}
    _resolve(arguments)
    if request.method in _CHANGING and _OURS.fullmatch(arguments.get("job_id", "")):
        bind_contextvars(job_id=arguments["job_id"])


def _resolve(arguments: dict[str, Any]) -> None:
    if request.method == "PUT" or not _CLIENT_ID.fullmatch(arguments.get("job_id", "")):
        return
    job_id = services().store.named(arguments["job_id"], caller().tenant)
    if job_id is None:
        raise JobNotFound(f"no job {arguments['job_id']}")
    arguments["job_id"] = job_id


def checked(client_id: str) -> str:
    """Raises `InvalidRequest` for what cannot name a job."""
    if not _CLIENT_ID.fullmatch(client_id):
        what = "1 to 128 letters, digits and . _ ~ -, the first a letter or digit; job_ is the service's own prefix"
        raise InvalidRequest(f"client_id must be {what}", "client_id")
    return client_id
