"""Tells the kind of an id under which no resource was found because the id belongs to a resource of another kind."""

import re

from shared.errors import (
    BatchNotFound,
    DeadLetterNotFound,
    EndpointNotFound,
    FileNotStored,
    JobNotFound,
    MessageNotFound,
)

_ULID = "[0-9a-z]{26}"
# A caller may choose the id of a job, so only the exact form of an id tells its kind.
_KINDS = {
    "a batch": re.compile(f"batch_{_ULID}"),
    "a file": re.compile(f"file-{_ULID}"),
    "a webhook endpoint": re.compile(f"ep_{_ULID}"),
    "a dead letter": re.compile(f"job_{_ULID}:[0-9]{{4}}"),
    "a job": re.compile(f"job_{_ULID}"),
}
_WANTED = {
    BatchNotFound.code: "a batch",
    FileNotStored.code: "a file",
    EndpointNotFound.code: "a webhook endpoint",
    MessageNotFound.code: "a webhook message",
    DeadLetterNotFound.code: "a dead letter",
    JobNotFound.code: "a job",
}


def hint_of(code: str, message: str) -> str:
    """Returns an end for the message of an error with this code, whose last word is the id that was not found.

    The end names the kind of the id. It is empty if the id is of the right kind or of none.
    """
    wanted, name = _WANTED.get(code), message.rpartition(" ")[2]
    kind = _kind_of(name) if wanted else None
    return f": it is the id of {kind}, not of {wanted}" if kind not in (None, wanted) else ""


def _kind_of(text: str) -> str | None:
    return next((kind for kind, form in _KINDS.items() if form.fullmatch(text)), None)
