"""Finds the API key of a request and the limits of its tenant. Most requests find both in a cache in memory."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.access.keys import ApiKey, KeyId, id_of
from shared.access.limits import TenantLimits
from shared.addresses import Address
from shared.ids import TenantId
from shared.store.access.keys import KeyStore

_MAX_KNOWN = 10_000  # far more keys than are in use at once; a key that was dropped costs one read of the store
_USE_IS_NOTED_EVERY = timedelta(minutes=1)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Holder:
    """A valid API key and the limits of its tenant."""

    key: ApiKey
    limits: TenantLimits


class KeyRing:
    """A cache of API keys and their tenants' limits. All threads of a process share one instance.

    An entry is used for at most `ttl_s`, so a revoked key or a changed limit takes effect within this time. Unknown key
    ids are not cached, so a new key works at once, and guessed key ids fill no memory.

    A key that expires is refused at once, also while it is cached. `store` has all keys.

    Methods raise `StoreUnavailable` when an entry is not cached and the store does not answer.
    """

    def __init__(
        self,
        store: KeyStore,
        *,
        ttl_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.store = store
        self._now = now
        self._ttl_s = ttl_s
        self._clock = clock
        self._known: dict[KeyId, tuple[float, Holder]] = {}
        self._open_until: float | None = None
        self._is_closed = False

    def holder(self, text: str) -> Holder | None:
        """Returns the valid API key with the text `text` and its limits. Returns None for an unknown, wrong,
        revoked or expired key.
        """
        key_id = id_of(text)
        if key_id is None:
            return None
        read_at, holder = self._known.get(key_id, (None, None))
        if holder is None or read_at is None or self._clock() - read_at >= self._ttl_s:
            return self._read(key_id, text)
        return holder if holder.key.is_proved_by(text) and holder.key.is_valid(self._now()) else None

    def is_still_valid(self, key: ApiKey, address: Address | None = None) -> bool:
        """Returns whether an API key that was verified earlier is still valid for a caller at this address."""
        holder = self.named(key.key_id)
        return holder is not None and holder.key.digest == key.digest and holder.key.rights.permits(address)

    def named(self, key_id: KeyId) -> Holder | None:
        """Returns the API key with this id and its limits, without a proof that the caller has it. Returns None for an
        unknown, revoked or expired key.
        """
        read_at, holder = self._known.get(key_id, (None, None))
        if holder is None or read_at is None or self._clock() - read_at >= self._ttl_s:
            read_at, found = self._clock(), self.store.find(key_id)
            if found is None or not found.is_valid(self._now()):
                self._known.pop(key_id, None)
                return None
            holder = Holder(found, self.store.limits(found.tenant))
            self._remember(read_at, holder)
        return holder if holder.key.is_valid(self._now()) else None

    def forget(self, key_id: KeyId) -> None:
        """Removes an API key from the cache, so that a change of the key takes effect in this process at once."""
        self._known.pop(key_id, None)

    def forget_tenant(self, tenant: TenantId) -> None:
        """Removes the API keys of a tenant from the cache, so that a change of its limits takes effect in this process
        at once.
        """
        for key_id in [key_id for key_id, (_, holder) in self._known.items() if holder.key.tenant == tenant]:
            self._known.pop(key_id, None)

    def is_open(self) -> bool:
        """Returns whether the API accepts requests without an API key. It does so until the first API key is created,
        and never afterwards.
        """
        now = self._clock()
        if not self._is_closed and (self._open_until is None or now >= self._open_until):
            self._is_closed = self.store.has_any()
            self._open_until = now + self._ttl_s
        return not self._is_closed

    def _read(self, key_id: KeyId, text: str) -> Holder | None:
        read_at = self._clock()
        key = self.store.find(key_id)
        if key is None or not key.is_proved_by(text) or not key.is_valid(self._now()):
            self._known.pop(key_id, None)
            return None
        holder = Holder(key, self.store.limits(key.tenant))
        self._remember(read_at, holder)
        if key.last_used_at is None or self._now() - key.last_used_at > _USE_IS_NOTED_EVERY:
            self.store.note_use(key_id)
        return holder

    def _remember(self, read_at: float, holder: Holder) -> None:
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[holder.key.key_id] = (read_at, holder)
