"""Defines the request fields that order a tenant's batches, `priority` and `finish_by`. Checks and changes them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api.openapi.json_schema import leave_unchanged
from shared.batches.batch import BatchPriority, Precedence
from shared.errors import InvalidRequest
from shared.intake.types import Time

_FARTHEST = timedelta(days=366)  # a completion window has at most 30 days, so a later time is a typing error
_NORMAL = "normal"  # callers may use this name for the priority `batch`


def _by_either_name(priority: object) -> object:
    return BatchPriority.BATCH.value if priority == _NORMAL else priority


PriorityField = Annotated[
    Annotated[BatchPriority, Field(strict=False)],
    BeforeValidator(_by_either_name, json_schema_input_type=Literal["low", "normal", "batch", "high", "interactive"]),
]
WHAT_PRIORITY = (
    "low, batch (also called normal) or high: the order among your own batches. The shares of other tenants stay the "
    "same. interactive: all lines are rendered in the class of interactive jobs"
)
WHAT_FINISH_BY = (
    "the time by which you want the last picture of the batch; RFC 3339, at most a year ahead. Among your batches of "
    "one priority, the one with the earliest time goes first, and those without a time go last. Lines don't expire at "
    "this time: use `deadline` for that"
)


def _schema(schema: dict[str, Any]) -> None:
    leave_unchanged(schema)
    schema["minProperties"] = 1


class BatchChange(BaseModel):
    """A change of the priority or of `finish_by` of a batch that has not ended. Fields that are left out stay
    unchanged.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, json_schema_extra=_schema)

    priority: PriorityField = Field(default=BatchPriority.BATCH, description=WHAT_PRIORITY)
    finish_by: Time | None = Field(default=None, description=f"{WHAT_FINISH_BY}. null removes the time")

    def precedence(self, before: Precedence) -> Precedence:
        """Returns the priority and `finish_by` of a batch after this change. `before` has their current values.

        Raises `InvalidRequest` for a change without fields, or with an invalid time.
        """
        if not self.model_fields_set:
            raise InvalidRequest("there is nothing to change: send priority or finish_by")
        is_new = "finish_by" in self.model_fields_set
        if is_new:
            check_finish_by(self.finish_by)
        return Precedence(
            self.priority if "priority" in self.model_fields_set else before.priority,
            self.finish_by if is_new else before.finish_by,
        )


def check_finish_by(moment: datetime | None) -> None:
    """Raises `InvalidRequest` for a `finish_by` that has passed or is more than a year away."""
    now = datetime.now(UTC)
    if moment is not None and moment <= now:
        raise InvalidRequest("finish_by has passed", "finish_by")
    if moment is not None and moment > now + _FARTHEST:
        raise InvalidRequest(f"finish_by must be within {_FARTHEST.days} days", "finish_by")
