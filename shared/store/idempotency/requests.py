"""Stores, by Idempotency-Key, the running request, the id reserved for its job, and its response. Knows no HTTP."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from shared.ids import HolderId, TenantId, new_holder_id
from shared.store.core.connect import Client
from shared.store.core.scripts import Scripts

# What a process that died may hold a key for. An intake whose pictures wait for their turn may take longer: then two
# answer at once, under one reserved id.
LEASE_S = 30.0


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A response as it was sent, with all that HTTP needs to send it again."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """The right to answer the request of a key, and the id reserved for the job or file that the request makes."""

    scope: str
    holder: HolderId
    reserved_id: str


class Busy:
    """Another request with this key is running."""


class Reused:
    """The key was used with a different request."""


_How = Literal["stands", "reserve", "keep", "release", "forget"]
Begun = Reservation | KeptAnswer | Busy | Reused


class IdempotencyStore:
    """Requests by their Idempotency-Key. Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client, *, kept_for_s: float, lease_s: float = LEASE_S) -> None:
        self._scripts = Scripts(client)
        self._kept_for_ms = int(kept_for_s * 1000)
        self._lease_ms = int(lease_s * 1000)

    def begin(self, tenant: TenantId, route: str, key: str, fingerprint: str, new_id: str) -> Begun:
        """Begins a request with its key, or returns why not. `new_id` is reserved unless the key has an id already."""
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
        """Records that the job was made: from now on requests with the key are answered from it."""
        self._end(reservation, "stands")

    def reserve(self, reservation: Reservation, other_id: str) -> bool:
        """Reserves another id for what the request makes. Returns False when another request took over meanwhile."""
        return self._end(reservation, "reserve", other_id)

    def keep(self, reservation: Reservation, answer: KeptAnswer) -> None:
        """Keeps the response for all requests with the key. A second call changes nothing."""
        self._end(reservation, "keep", json.dumps(asdict(answer)))

    def release(self, reservation: Reservation) -> None:
        """Frees the key without a response. The next request with the same body may begin."""
        self._end(reservation, "release")

    def forget(self, reservation: Reservation) -> None:
        """Frees the key after a refusal, so that a corrected request may use it."""
        self._end(reservation, "forget")

    def _end(self, reservation: Reservation, how: _How, text: str = "") -> bool:
        return bool(self._scripts.run("end_idempotent", reservation.scope, reservation.holder, how, text))


def _scope(tenant: TenantId, route: str, key: str) -> str:
    """Returns the key's scope. Tenant names hold no spaces, but keys may hold anything, so key and route are hashed."""
    return f"{tenant}:{hashlib.sha256(f'{route} {key}'.encode()).hexdigest()}"
