"""What a caller may say of a batch's place among the tenant's own batches: fields, checks and changes."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shared.batches.batch import BatchPriority, Standing
from shared.errors import InvalidRequest
from shared.intake.types import Time

_FARTHEST = timedelta(days=366)  # a batch's completion window has 30; more is a slip of the year
_NORMAL = "normal"  # what callers also call the priority `batch`


def _by_either_name(priority: object) -> object:
    return BatchPriority.BATCH.value if priority == _NORMAL else priority


PriorityField = Annotated[
    Annotated[BatchPriority, Field(strict=False)],
    BeforeValidator(_by_either_name, json_schema_input_type=Literal["low", "normal", "batch", "high", "interactive"]),
]
WHAT_PRIORITY = (
    "low, batch (also called normal) or high: which of your own batches goes first. No other tenant's share changes. "
    "interactive: all its lines are of the class of single pictures"
)
WHAT_FINISH_BY = (
    "the time by which you want its last picture; RFC 3339, a year ahead at most. Of your batches of one priority the "
    "earliest goes first, and those without come last. Nothing expires: `deadline` does that"
)


class BatchChange(BaseModel):
    """A change of a batch that has not ended. Fields that are left out stay as they are."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, json_schema_extra={"minProperties": 1})

    priority: PriorityField = Field(default=BatchPriority.BATCH, description=WHAT_PRIORITY)
    finish_by: Time | None = Field(default=None, description=f"{WHAT_FINISH_BY}. null takes it away")

    def standing(self, before: Standing) -> Standing:
        """Returns the place that a batch has after the change. Raises `InvalidRequest`."""
        if not self.model_fields_set:
            raise InvalidRequest("there is nothing to change: give priority or finish_by")
        is_new = "finish_by" in self.model_fields_set
        if is_new:
            check_finish_by(self.finish_by)
        return Standing(
            self.priority if "priority" in self.model_fields_set else before.priority,
            self.finish_by if is_new else before.finish_by,
        )


def check_finish_by(moment: datetime | None) -> None:
    """Raises `InvalidRequest` for a time that has passed, or is more than a year away."""
    now = datetime.now(UTC)
    if moment is not None and moment <= now:
        raise InvalidRequest("finish_by has passed", "finish_by")
    if moment is not None and moment > now + _FARTHEST:
        raise InvalidRequest(f"finish_by must be within {_FARTHEST.days} days", "finish_by")
