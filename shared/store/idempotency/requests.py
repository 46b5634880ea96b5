"""Stores for each Idempotency-Key the running request, the id reserved for its job, and its response. It
does no HTTP.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from shared.ids import HolderId, TenantId, new_holder_id
from shared.store.core.connect import Client
from shared.store.core.scripts import Scripts

# The longest time for which a process that died holds a key. An intake that waits long for its images may take longer.
# Then two requests run at once, with the same reserved id.
LEASE_S = 30.0


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response as it was sent, with everything that HTTP needs to send it again."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """The right to run a request with an Idempotency-Key, and the id reserved for the job or file that the request
    creates. `is_new` says that no earlier request reserved this id, so nothing with this id exists.
    """

    scope: str
    holder: HolderId
    reserved_id: str
    is_new: bool = False


class Busy:
    """The result of `begin` while another request with the same Idempotency-Key is running."""


class Reused:
    """The result of `begin` if an earlier request used the same Idempotency-Key with other content."""


_How = Literal["stands", "reserve", "keep", "release", "forget"]
Begun = Reservation | StoredResponse | Busy | Reused


class IdempotencyStore:
    """Stores requests by their Idempotency-Key, so that a retry gets the same response. Every method raises
    `StoreUnavailable` when the store does not answer.
    """

    def __init__(self, client: Client, *, kept_for_s: float, lease_s: float = LEASE_S) -> None:
        self._scripts = Scripts(client)
        self._kept_for_ms = int(kept_for_s * 1000)
        self._lease_ms = int(lease_s * 1000)

    def begin(self, tenant: TenantId, route: str, key: str, fingerprint: str, new_id: str) -> Begun:
        """Begins a request with an Idempotency-Key. Returns a `Reservation`, or the reason why the request must not
        run.

        A reservation has the id for the job or file that the request creates. This is the id that an earlier request
        with the key reserved, otherwise `new_id`.
        """
        scope, holder = _scope(tenant, route, key), new_holder_id()
        times = (self._lease_ms, self._kept_for_ms)
        kind, *values = self._scripts.run("begin_idempotent", scope, fingerprint, new_id, holder, *times)
        match kind:
            case "mine":
                return Reservation(scope, holder, values[0], bool(values[1]))
            case "answered":
                return StoredResponse(**json.loads(values[0]))
            case "busy":
                return Busy()
        return Reused()

    def job_created(self, reservation: Reservation) -> None:
        """Records that a request has created its job. From now on the response to every request with the same
        Idempotency-Key is made from this job. `JobStore.submit` does the same.
        """
        self._end(reservation, "stands")

    def reserve(self, reservation: Reservation, other_id: str) -> bool:
        """Reserves another id for the job or file of a request. Returns False when another request with the key took
        over meanwhile.
        """
        return self._end(reservation, "reserve", other_id)

    def keep(self, reservation: Reservation, answer: StoredResponse) -> None:
        """Stores a request's response for all requests with the same Idempotency-Key. Only the first stored response
        counts.
        """
        self._end(reservation, "keep", json.dumps(asdict(answer)))

    def release(self, reservation: Reservation) -> None:
        """Frees an Idempotency-Key without storing a response, so that the next request with the same
        body may begin.
        """
        self._end(reservation, "release")

    def forget(self, reservation: Reservation) -> None:
        """Frees an Idempotency-Key after its request was refused, so that a corrected request may use the key."""
        self._end(reservation, "forget")

    def _end(self, reservation: Reservation, how: _How, text: str = "") -> bool:
        return bool(self._scripts.run("end_idempotent", reservation.scope, reservation.holder, how, text))


def _scope(tenant: TenantId, route: str, key: str) -> str:
    """Returns the name under which the store keeps an Idempotency-Key: the tenant, and a hash of route and key.

    The key is hashed because it may contain any character.
    """
    return f"{tenant}:{hashlib.sha256(f'{route} {key}'.encode()).hexdigest()}"
