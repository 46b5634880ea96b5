"""Answers under their Idempotency-Key: who is at it, which job it is about, what was answered. Knows no HTTP."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from shared.ids import HolderId, TenantId, new_holder_id
from shared.store.connect import Client
from shared.store.scripts import Scripts

# What a process that died may hold a key for. An intake whose pictures wait for their turn may take longer: then two
# answer at once, under one reserved id.
LEASE_S = 30.0


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer as it was sent: what HTTP needs to send it again."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """The right to answer under a key, and the id of the job or file that its request makes, if it makes one."""

    scope: str
    holder: HolderId
    reserved_id: str


class Busy:
    """Another request with this key is being answered."""


class Reused:
    """The key belongs to another request."""


Begun = Reservation | KeptAnswer | Busy | Reused


class IdempotencyStore:
    """Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client, *, kept_for_s: float, lease_s: float = LEASE_S) -> None:
        self._scripts = Scripts(client)
        self._kept_for_ms = int(kept_for_s * 1000)
        self._lease_ms = int(lease_s * 1000)

    def begin(self, tenant: TenantId, route: str, key: str, fingerprint: str, new_id: str) -> Begun:
        """`new_id` is reserved with the key: whoever begins again after a crash gets the one that was first."""
        scope, holder = _scope(tenant, route, key), new_holder_id()
        times = (self._lease_ms, self._kept_for_ms)
        kind, *values = self._scripts.run("begin_idempotent", scope, fingerprint, new_id, holder, *times)
        match kind:
            case "mine":
                return Reservation(scope, holder, values[0])
            case "answered":
                return KeptAnswer(**json.loads(values[0]))
            case "busy":
                return Busy()
        return Reused()

    def job_stands(self, reservation: Reservation) -> None:
        """From now on whoever comes with the key may answer from the job, beside this one."""
        self._end(reservation, "stands")

    def keep(self, reservation: Reservation, answer: KeptAnswer) -> None:
        """The answer to all who come with the key; a second one changes nothing."""
        self._end(reservation, "keep", json.dumps(asdict(answer)))

    def release(self, reservation: Reservation) -> None:
        """No answer worth keeping: the next one with the key and this body may try."""
        self._end(reservation, "release")

    def forget(self, reservation: Reservation) -> None:
        """The request was refused; a corrected one may use the key."""
        self._end(reservation, "forget")

    def _end(
        self, reservation: Reservation, how: Literal["stands", "keep", "release", "forget"], answer: str = ""
    ) -> None:
        self._scripts.run("end_idempotent", reservation.scope, reservation.holder, how, answer)


def _scope(tenant: TenantId, route: str, key: str) -> str:
    """A tenant's name holds no space and keys may hold anything, so the key is hashed with its route."""
    return f"{tenant}:{hashlib.sha256(f'{route} {key}'.encode()).hexdigest()}"
