"""Schemas of the request and the response about usage."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from api.tenants.usage_rows import Cursor, Group, GroupBy
from shared.intake.types import Day, Tenant, Text

_GROUPS = "|".join(GroupBy)
_GROUP_BY = rf"^(({_GROUPS})(,({_GROUPS}))*)?$"
_CURSOR = r"^[^|]*\|[^|]*\|[^|]*\|[^|]*$"


class UsageQuery(BaseModel):
    """The query parameters of a request for usage. The model is not strict, since all values arrive as text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: Day | None = Field(
        default=None, alias="from", description="the first day (UTC); default: the first of the month of `to`"
    )
    to: Day | None = Field(default=None, description="the last day (UTC), which is included; default: today")
    # pydantic leaves the patterns of texts that a function checks out of their schemas, so these are told twice.
    group_by: Annotated[
        Text, Field(pattern=_GROUP_BY, examples=["day,key,quality"], json_schema_extra={"pattern": _GROUP_BY})
    ] = Field(default="day", description="one row for each of these: `day`, `tenant`, `key`, `quality`; empty: one row")
    tenant: Tenant | None = Field(
        default=None, description="default: the tenant of the API key that asks. Other tenants need the scope operator"
    )
    all_tenants: bool = Field(default=False, description="true: all tenants. Needs the scope operator")
    format: Literal["json", "csv", "jsonl"] | None = Field(
        default=None, description="default: the first of these that the header field `Accept` names, else `json`"
    )
    limit: int = Field(default=100, ge=1, le=1000, description="rows of a page; only of JSON")
    after: (
        Annotated[
            Text,
            Field(
                max_length=200,
                pattern=_CURSOR,
                examples=["acme|2026-01-05|x7k2m4qa|exact"],
                json_schema_extra={"pattern": _CURSOR},
            ),
        ]
        | None
    ) = Field(default=None, description="`next` of the previous page")

    @property
    def groups(self) -> list[GroupBy]:
        return [GroupBy(name) for name in self.group_by.split(",") if name]

    @property
    def cursor(self) -> Cursor | None:
        return Cursor.parse(self.after) if self.after else None


class UsageResponse(BaseModel):
    """What was used by one group. `day`, `tenant`, `key_id` and `quality` are null if rows are not grouped by them.

    Only finished pictures count. `key_id` is '' for work that was requested without an API key. `quality` is '' for
    webhook messages that are not about a job.
    """

    object: Literal["usage"] = "usage"
    day: date | None
    tenant: str | None
    key_id: str | None
    quality: str | None
    pictures: int = Field(description="finished pictures")
    pixels: int = Field(description="pixels of these pictures as rendered, before they are scaled")
    denoise_steps: int = Field(description="steps of the DiT")
    ar_tokens: int = Field(description="tokens of the AR model; none for a picture from an earlier token grid")
    ar_device_s: float = Field(description="seconds of AR devices; renders that share a step share its time")
    dit_device_s: float = Field(description="seconds of DiT devices")
    stored_bytes: int = Field(description="bytes of the picture files")
    webhooks: int = Field(description="webhook messages that a receiver accepted")

    @classmethod
    def of(cls, group: Group) -> Self:
        return cls.model_validate(
            {
                "day": group.day,
                "tenant": group.tenant,
                "key_id": group.key_id,
                "quality": group.quality,
                **group.amounts.in_seconds(),
            }
        )


class UsagePage(BaseModel):
    """A page of usage, ordered by tenant, day, key and quality. Pass `next` as `after` to get the next page."""

    data: list[UsageResponse]
    has_more: bool
    next: str | None
