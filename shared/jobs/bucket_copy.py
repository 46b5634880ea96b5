"""Describes the copy of a job or batch in the bucket of its tenant. Does no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class CopyStatus(StrEnum):
    """The status of the copy. While it is pending, the webhook about the end of the job or batch waits."""

    PENDING = "pending"
    COPIED = "copied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class BucketCopy:
    """The copy of a job or batch. `location` is the URI of its folder once it is copied, and `error` says in one line
    why it failed.
    """

    status: CopyStatus
    location: str | None = None
    error: str | None = None

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Self | None:
        """Returns the copy that the record of a job or batch tells about. Returns None if nothing is copied."""
        if "copy" not in fields:
            return None
        return cls(CopyStatus(fields["copy"]), fields.get("copied_to"), fields.get("copy_error"))
