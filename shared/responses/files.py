"""Defines the schemas of files and of pages with them, in OpenAI's format."""

from typing import Literal, Self

from pydantic import BaseModel

from shared.files import Purpose, StoredFile


class FileResponse(BaseModel):
    """A file. Times are Unix seconds. `expires_at` is null for a file that never expires. `status_details`, a field of
    OpenAI's format, is always null.
    """

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: Purpose
    status: Literal["processed"] = "processed"
    status_details: str | None

    @classmethod
    def of(cls, file: StoredFile) -> Self:
        return cls(
            id=file.file_id,
            bytes=file.num_bytes,
            created_at=int(file.created_at.timestamp()),
            expires_at=int(file.expires_at.timestamp()) if file.expires_at else None,
            filename=file.filename,
            purpose=file.purpose,
            status_details=None,
        )


class FilePage(BaseModel):
    """A page of files. Pass `last_id` as `after` to get the next page."""

    object: Literal["list"] = "list"
    data: list[FileResponse]
    has_more: bool
    first_id: str | None
    last_id: str | None


class FileDeleted(BaseModel):
    """Confirms that a file was deleted. It can't be read any more; its bytes are removed within seconds."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True
