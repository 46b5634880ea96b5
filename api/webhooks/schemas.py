"""Schemas of the requests about webhook endpoints, messages and attempts."""

from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field

from api.openapi.json_schema import leave_unchanged
from shared.intake.types import SigningKey, StreamId, Text, Time
from shared.store.endpoints.endpoints import EndpointChanges
from shared.webhooks.endpoints import EndpointId
from shared.webhooks.events import EventType, PayloadStyle

_ASKED = ConfigDict(extra="forbid", strict=True, frozen=True)

Url = Annotated[
    Text,
    Field(description="an https URL with a public address; the operator may also allow http and private addresses"),
]
Events = Annotated[
    list[EventType] | None,
    Field(
        min_length=1,
        max_length=len(get_args(EventType)),
        description="the events to report; null: all except job.started and job.progress",
    ),
]
Style = Annotated[
    PayloadStyle,
    Field(strict=False, description="full: webhooks contain the job as GET returns it; thin: only the job's id"),
]
Description = Annotated[Text, Field(max_length=500)]
Headers = Annotated[
    dict[str, str],
    Field(
        repr=False,
        description="additional header fields of each webhook, such as Authorization. Responses never contain their "
        "values",
    ),
]


class EndpointRequest(BaseModel):
    """A request to create a webhook endpoint."""

    model_config = _ASKED

    url: Url
    events: Events = None
    payload: Style = PayloadStyle.FULL
    description: Description = ""
    headers: Headers = {}
    secret: SigningKey | None = Field(
        default=None,
        repr=False,
        description="the signing secret: whsec_ and base64. If left out, the service creates one and returns it",
    )

    @property
    def rest(self) -> EndpointChanges:
        """Returns all fields of a new webhook endpoint except its URL and its secret."""
        return EndpointChanges(None, self.events or (), self.payload, self.description, self.headers)


class EndpointPatch(BaseModel):
    """The body of a request to change a webhook endpoint. Fields that are left out stay unchanged."""

    model_config = _ASKED | ConfigDict(json_schema_extra=leave_unchanged)

    url: Url = ""
    events: Events = None
    payload: Style = PayloadStyle.FULL
    description: Description = ""
    headers: Headers = {}

    @property
    def changes(self) -> EndpointChanges:
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if "events" in given:
            given["events"] = self.events or ()
        return EndpointChanges(**given)


class RotationRequest(BaseModel):
    """The body of a request to replace the signing secret of a webhook endpoint. The body is optional."""

    model_config = _ASKED

    secret: SigningKey | None = Field(
        default=None,
        repr=False,
        description="the new signing secret. If left out, the service creates one and returns it",
    )


class RangeRequest(BaseModel):
    """The time range of the webhook messages to send again, from `since` until just before `until`.

    For `replay`, the time of a message is the time of its event. For `recover`, it is the time at which its delivery
    was abandoned.
    """

    model_config = _ASKED

    since: Time
    until: Time | None = Field(default=None, description="default: now")


class ResendRequest(BaseModel):
    """The body of a request to send a webhook message again. The body is optional."""

    model_config = _ASKED

    endpoint_id: (
        Annotated[EndpointId, Field(pattern=r"^ep_[0-9a-z]{26}$", examples=["ep_01ke6q8v3c9t0n5w7x2z4b6d8f"])] | None
    ) = Field(default=None, description="the only endpoint to send to; default: all receivers of the message")


class EndpointsQuery(BaseModel):
    """The query parameters of a list of webhook endpoints."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=20, ge=1, le=100)
    after: (
        Annotated[EndpointId, Field(pattern=r"^ep_[0-9a-z]{26}$", examples=["ep_01ke6q8v3c9t0n5w7x2z4b6d8f"])] | None
    ) = Field(default=None, description="`next` of the previous page")


class AttemptsQuery(BaseModel):
    """The query parameters of a list of webhook attempts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=20, ge=1, le=100)
    after: StreamId | None = Field(default=None, description="`next` of the previous page")
