"""Describes acts of administrators and operators, as the audit log records them. Does no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NewType

from ulid import ULID

from shared.ids import TenantId

ActId = NewType("ActId", str)

Fact = str | int | bool | list[str] | None


@dataclass(frozen=True, slots=True)
class Act:
    """An act of an administrator or operator: a request to the API, or a command that changed the store itself.

    `tenant` and `key_id` are those of the API key that acted. Both are None for a command, and `key_id` is None while
    the API has no key. `act` is the method and the route of the request, or the name of the command. `path` is the path
    of the request without its query. `address` is the address from which the request came.

    `status` is the HTTP status of the response and `code` its error code. Both are None while the act runs. They stay
    None if the process ended during the act. A command that succeeded has the status 200.
    """

    act_id: ActId
    at: datetime
    tenant: TenantId | None
    act: str
    key_id: str | None = None
    path: str | None = None
    address: str | None = None
    request_id: str | None = None
    status: int | None = None
    code: str | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)


def new_act_id() -> ActId:
    """Returns a new id of an act. Such ids sort by the time of their creation."""
    return ActId(f"act_{ULID()}".lower())


def first_act_id(moment: datetime) -> ActId:
    """Returns the lowest id that an act could have at the given time."""
    milliseconds = min(max(int(moment.timestamp() * 1000), 0), 2**48 - 1)
    return ActId(f"act_{ULID.from_bytes(milliseconds.to_bytes(6, 'big') + bytes(10))}".lower())


def now() -> datetime:
    """Returns the current time in UTC."""
    return datetime.now(UTC)
