"""Webhook endpoints as values: their receiver and how messages to it are signed. Nothing here does I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from shared.ids import TenantId, ulid_of
from shared.webhooks.events import PayloadStyle

EndpointId = NewType("EndpointId", str)

ROTATION = timedelta(hours=24)  # for which an old secret goes on signing
MOST_OLD_SECRETS = 4  # each makes every request's header longer by a signature


class DisabledReason(StrEnum):
    """Why an endpoint was disabled: by its owner, by its receiver (410), or after days of failures."""

    REQUESTED = "requested"
    GONE = "gone"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class OldSecret:
    """A replaced secret, which still signs until `ends_at` (aware UTC)."""

    secret: str = field(repr=False)
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One webhook endpoint of a tenant. `events` is empty for the default events; times are aware UTC."""

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
        """Returns all secrets that sign at this time, the current one first."""
        return (self.secret, *(old.secret for old in self.old_secrets if old.ends_at > now))


def new_endpoint_id(reserved: str | None = None) -> EndpointId:
    """Returns a new endpoint id: `ep_` and a ULID, so that ids sort by creation. With `reserved` it takes that id's
    ULID.
    """
    return EndpointId(f"ep_{ulid_of(reserved)}")
