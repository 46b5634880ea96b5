"""Schemas of requests about files, in OpenAI's format."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.files import FileId, Purpose
from shared.intake.types import Text

_BATCH_LIFETIME_S = 30 * 24 * 3600  # the same as OpenAI's; files of other purposes never expire by default


class ExpiresAfter(BaseModel):
    """The time after which a file expires, in seconds from its creation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    anchor: Literal["created_at"]
    seconds: int = Field(ge=3600, le=2_592_000)


class Upload(BaseModel):
    """The form fields of a file upload, without the file itself.

    The model is not strict, since all values of a form arrive as text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    purpose: Literal[Purpose.BATCH, Purpose.VISION, Purpose.USER_DATA] = Field(
        description="batch: an input file for `/v1/batches`; vision or user_data: a picture for `images` of an edit"
    )
    filename: Annotated[Text, Field(min_length=1, max_length=255)]
    expires_after: ExpiresAfter | None = Field(
        default=None, description="default: 30 days for the purpose batch; other files stay until they are deleted"
    )

    @property
    def lifetime_s(self) -> int | None:
        if self.expires_after:
            return self.expires_after.seconds
        return _BATCH_LIFETIME_S if self.purpose is Purpose.BATCH else None


class FilesQuery(BaseModel):
    """The query parameters of a list of files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(
        default=1000, ge=1, le=10_000, description="values above 1,000 are accepted, but a page has at most 1,000 files"
    )
    after: (
        Annotated[FileId, Field(pattern=r"^file-[0-9a-z]{26}$", examples=["file-01ke6q8v3c9t0n5w7x2z4b6d8f"])] | None
    ) = Field(default=None, description="`last_id` of the previous page")
    purpose: Purpose | None = None
    order: Literal["asc", "desc"] = "desc"
