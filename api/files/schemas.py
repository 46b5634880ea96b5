"""What callers send about files and what they are answered, in OpenAI's words."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from shared.files import FileId, Purpose, StoredFile
from shared.intake.types import Text

_BATCH_LIFETIME_S = 30 * 24 * 3600  # as OpenAI keeps them; other files stay until they are deleted


class ExpiresAfter(BaseModel):
    """When a file expires, counted from its creation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    anchor: Literal["created_at"]
    seconds: int = Field(ge=3600, le=2_592_000)


class Upload(BaseModel):
    """The fields beside the file. Values come as text, so this one is not strict."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    purpose: Literal[Purpose.BATCH, Purpose.VISION, Purpose.USER_DATA] = Field(
        description="batch: lines for `/v1/batches`; vision, user_data: pictures for `images`"
    )
    filename: Annotated[Text, Field(min_length=1, max_length=255)]
    expires_after: ExpiresAfter | None = Field(
        default=None, description="default: 30 days for the purpose batch, else until it is deleted"
    )

    @property
    def lifetime_s(self) -> int | None:
        if self.expires_after:
            return self.expires_after.seconds
        return _BATCH_LIFETIME_S if self.purpose is Purpose.BATCH else None


class FilesQuery(BaseModel):
    """The query of a list of files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=1000, ge=1, le=10_000, description="a page has at most 1,000 all the same")
    after: Annotated[FileId, Field(pattern=r"^file-[0-9a-z]{26}$")] | None = Field(
        default=None, description="the last id of the page before"
    )
    purpose: Purpose | None = None
    order: Literal["asc", "desc"] = "desc"


class FileAnswer(BaseModel):
    """A file. Times are Unix seconds; `expires_at` is null when it stays until it is deleted."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: Purpose
    status: Literal["processed"] = "processed"
    status_details: None = None

    @classmethod
    def of(cls, file: StoredFile) -> Self:
        return cls(
            id=file.file_id,
            bytes=file.num_bytes,
            created_at=int(file.created_at.timestamp()),
            expires_at=int(file.expires_at.timestamp()) if file.expires_at else None,
            filename=file.filename,
            purpose=file.purpose,
        )


class FilePage(BaseModel):
    """A page of files."""

    object: Literal["list"] = "list"
    data: list[FileAnswer]
    has_more: bool
    first_id: str | None
    last_id: str | None


class FileDeleted(BaseModel):
    """Nobody sees the file any more; its bytes follow within seconds."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True
