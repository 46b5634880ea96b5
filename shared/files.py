"""A tenant's file as a value. Its bytes are an object; what becomes of them is not its business."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from ulid import ULID

from shared.ids import ObjectKey, TenantId

FileId = NewType("FileId", str)


class Purpose(StrEnum):
    """What a file is for, in OpenAI's words. `batch_output` files are written by the service itself."""

    BATCH = "batch"
    BATCH_OUTPUT = "batch_output"
    VISION = "vision"
    USER_DATA = "user_data"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """`sha256` is of its bytes; `filename` is the caller's own, so it goes into no path and no header as it is."""

    file_id: FileId
    tenant: TenantId
    purpose: Purpose
    filename: str
    num_bytes: int
    sha256: str
    created_at: datetime
    expires_at: datetime | None

    def is_over(self, now: datetime) -> bool:
        """Whether it has expired."""
        return self.expires_at is not None and self.expires_at <= now

    @property
    def key(self) -> ObjectKey:
        return file_key(self.file_id)


def new_file_id() -> FileId:
    """`file-` and a ULID, so ids sort by creation time."""
    return FileId(f"file-{ULID()}".lower())


def file_key(file_id: FileId) -> ObjectKey:
    """Where its bytes are."""
    return ObjectKey(f"files/{file_id}")
