"""Schemas of requests about webhook endpoints, messages and attempts."""

from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field

from shared.intake.types import SigningKey, StreamId, Text, Time
from shared.store.endpoints.endpoints import EndpointChanges
from shared.webhooks.endpoints import EndpointId
from shared.webhooks.events import EventType, PayloadStyle

_ASKED = ConfigDict(extra="forbid", strict=True, frozen=True)

Url = Annotated[Text, Field(description="https, to a public address; the operator may allow others")]
Events = Annotated[
    list[EventType] | None,
    Field(
        min_length=1,
        max_length=len(get_args(EventType)),
        description="null: every event but job.started and job.progress",
    ),
]
Style = Annotated[PayloadStyle, Field(strict=False, description="full: the job as GET answers it; thin: its id")]
Description = Annotated[Text, Field(max_length=500)]
Headers = Annotated[
    dict[str, str],
    Field(repr=False, description="sent with each webhook, such as Authorization. Their values are never answered"),
]


class EndpointRequest(BaseModel):
    """A new endpoint."""

    model_config = _ASKED

    url: Url
    events: Events = None
    payload: Style = PayloadStyle.FULL
    description: Description = ""
    headers: Headers = {}
    secret: SigningKey | None = Field(
        default=None, repr=False, description="whsec_ and base64; made and answered when left out"
    )

    @property
    def rest(self) -> EndpointChanges:
        """Returns all fields but URL and secret."""
        return EndpointChanges(None, self.events or (), self.payload, self.description, self.headers)


class EndpointPatch(BaseModel):
    """Changes to an endpoint; a field that is left out stays unchanged."""

    model_config = _ASKED

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
    """The body of a rotation, which is optional."""

    model_config = _ASKED

    secret: SigningKey | None = Field(default=None, repr=False, description="made and answered when left out")


class RangeRequest(BaseModel):
    """A time range of messages to send again, by the time of the event or its failure; `until` is exclusive."""

    model_config = _ASKED

    since: Time
    until: Time | None = Field(default=None, description="default: now")


class ResendRequest(BaseModel):
    """The body of a resend, which is optional."""

    model_config = _ASKED

    endpoint_id: Annotated[EndpointId, Field(pattern=r"^ep_[0-9a-z]{26}$")] | None = Field(
        default=None, description="default: wherever the message was for"
    )


class EndpointsQuery(BaseModel):
    """The query of a list of endpoints."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=20, ge=1, le=100)
    after: Annotated[EndpointId, Field(pattern=r"^ep_[0-9a-z]{26}$")] | None = Field(
        default=None, description="`next` of the page before"
    )


class AttemptsQuery(BaseModel):
    """The query of an attempt log."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=20, ge=1, le=100)
    after: StreamId | None = Field(default=None, description="`next` of the page before")
