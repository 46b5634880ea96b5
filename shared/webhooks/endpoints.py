"""Describes webhook endpoints: the URL of the receiver and how messages to it are signed. Does no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from shared.ids import TenantId, ulid_of
from shared.webhooks.events import PayloadStyle

EndpointId = NewType("EndpointId", str)

ROTATION = timedelta(hours=24)  # time for which a replaced secret still signs
MOST_OLD_SECRETS = 4  # each adds a signature to the header of every request


class DisabledReason(StrEnum):
    """The reason why a webhook endpoint is disabled: its owner disabled it, its receiver returned 410, or all attempts
    failed for days.
    """

    REQUESTED = "requested"
    GONE = "gone"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class OldSecret:
    """A replaced secret of an endpoint. Messages are still signed with it until `ends_at` (UTC)."""

    secret: str = field(repr=False)
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One webhook endpoint of a tenant. Empty `events` mean the default events. Times are in UTC."""

    endpoint_id: EndpointId
    tenant: TenantId
    url: str
    events: tuple[str, ...]
    payload: PayloadStyle
    description: str
    headers: Mapping[str, str] = field(repr=False)
    secret: str = field(repr=False)
    old_secrets: tuple[OldSecret, ...]
    disabled_reason: DisabledReason | None
    disabled_at: datetime | None
    failing_since: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def is_enabled(self) -> bool:
        return self.disabled_reason is None

    def secrets_at(self, now: datetime) -> tuple[str, ...]:
        """Returns all secrets of the endpoint that sign messages at the time `now`, the current secret first."""
        return (self.secret, *(old.secret for old in self.old_secrets if old.ends_at > now))


def new_endpoint_id(reserved: str | None = None) -> EndpointId:
    """Returns a new endpoint id: `ep_` and a ULID, so that ids sort by creation time. `reserved` is the id that was
    reserved for the request's Idempotency-Key, if any; the endpoint id then has the ULID of that id.
    """
    return EndpointId(f"ep_{ulid_of(reserved)}")
