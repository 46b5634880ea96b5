"""Schemas of the reports about batch files, and of links to archives."""

from typing import Literal

from pydantic import BaseModel, RootModel

from shared.responses.batches import BatchError, BatchResponse
from shared.responses.schemas import Moment


class ArchiveLink(BaseModel):
    """A link to the archive of a batch. It needs no API key, and expires at `expires_at` (Unix seconds)."""

    url: str
    expires_at: int


class LineErrorResponse(BatchError):
    """An error in a line of an input file. `custom_id` is null if the line's `custom_id` could not be read."""

    custom_id: str | None


class LineErrors(BaseModel):
    """The errors of all lines of an input file."""

    object: Literal["list"] = "list"
    data: list[LineErrorResponse]


class ValidationResponse(BaseModel):
    """The report on a checked input file. The check creates no batch.

    `is_batch` is false if the whole batch would fail. `has_more` is true if the file has more lines than a batch may
    have; the lines beyond that limit were not checked.
    """

    object: Literal["batch.validation"] = "batch.validation"
    is_batch: bool
    total: int
    valid: int
    invalid: int
    errors: LineErrors
    has_more: bool
    warnings: list[str]


class CostResponse(BaseModel):
    """The cost of rendering a batch.

    `ar` counts decode steps. `dit` counts the work of the DiT; its unit is one pixel in one denoise step of a 1024x1024
    picture. `pixels` counts the pixels of all pictures.
    """

    ar: int
    dit: int
    pixels: int


class DryRunResponse(ValidationResponse):
    """The report of a dry run: the pictures, the cost and the expected end of a batch that was not created.

    Lines that would fail are in `errors`. `num_pictures` and `cost` don't include these lines. `eta_s`, `expected_end`
    and `on_time` are those that the batch would have if it were created now.
    """

    object: Literal["batch.dry_run"] = "batch.dry_run"  # type: ignore[assignment]
    num_pictures: int
    cost: CostResponse
    eta_s: float | None
    expected_end: Moment | None
    finish_by: Moment | None
    on_time: bool | None


class CreateResponse(RootModel[BatchResponse | DryRunResponse]):
    """The response to a request that creates a batch. It is the batch, or the report if the request asked for a dry
    run.
    """
