"""Describes a tenant's stored file: its id, its purpose and its key in the object store. Reads and writes nothing."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from ulid import ULID

from shared.ids import ObjectKey, TenantId

FileId = NewType("FileId", str)


class Purpose(StrEnum):
    """The purpose of a file, in OpenAI's terms. Only the service itself writes files of the purpose `batch_output`."""

    BATCH = "batch"
    BATCH_OUTPUT = "batch_output"
    VISION = "vision"
    USER_DATA = "user_data"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The stored record of a tenant's file. `sha256` is the hash of the file's bytes.

    The caller chose `filename`, so it is never used unescaped in a path or a header.
    """

    file_id: FileId
    tenant: TenantId
    purpose: Purpose
    filename: str
    num_bytes: int
    sha256: str
    created_at: datetime
    expires_at: datetime | None

    def is_over(self, now: datetime) -> bool:
        """Returns whether the file has expired."""
        return self.expires_at is not None and self.expires_at <= now

    @property
    def key(self) -> ObjectKey:
        """Returns the key of the file's bytes in the object store."""
        return file_key(self.file_id)


def new_file_id() -> FileId:
    """Returns a new file id: `file-` and a ULID, so that ids sort by creation time."""
    return FileId(f"file-{ULID()}".lower())


def file_key(file_id: FileId) -> ObjectKey:
    """Returns the key under which the object store holds the bytes of the file with this id."""
    return ObjectKey(f"files/{file_id}")
