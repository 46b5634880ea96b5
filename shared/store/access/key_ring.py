"""Tells whose API key a request carries, mostly from memory: what it remembers is at most `ttl_s` old."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.access.keys import ApiKey, KeyId, id_of
from shared.access.limits import TenantLimits
from shared.store.access.keys import KeyStore

_MAX_KNOWN = 10_000  # keys in use at once by far; forgetting one costs a look-up
_USE_IS_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Holder:
    """The owner of a valid key."""

    key: ApiKey
    limits: TenantLimits


class KeyRing:
    """One per process, for all its threads. A revoked key or a changed limit takes effect within `ttl_s`.

    Only existing keys are remembered: a new one works at once, and guessed ids fill no memory. Raises
    `StoreUnavailable` when the store has to be asked and does not answer.
    """

    def __init__(self, store: KeyStore, *, ttl_s: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._ttl_s = ttl_s
        self._clock = clock
        self._known: dict[KeyId, tuple[float, Holder]] = {}
        self._open_until: float | None = None
        self._is_closed = False

    def holder(self, text: str) -> Holder | None:
        """Returns the holder of this key; None for an unknown, wrong or revoked key."""
        key_id = id_of(text)
        if key_id is None:
            return None
        read_at, holder = self._known.get(key_id, (None, None))
        if holder is None or read_at is None or self._clock() - read_at >= self._ttl_s:
            return self._read(key_id, text)
        return holder if holder.key.is_proved_by(text) else None

    def still_counts(self, key: ApiKey) -> bool:
        """Returns whether a key that was verified earlier is still valid."""
        read_at, holder = self._known.get(key.key_id, (None, None))
        if holder is None or read_at is None or self._clock() - read_at >= self._ttl_s:
            read_at, found = self._clock(), self._store.find(key.key_id)
            if found is None or found.revoked_at is not None:
                self._known.pop(key.key_id, None)
                return False
            holder = Holder(found, self._store.limits(found.tenant))
            self._remember(read_at, holder)
        return holder.key.digest == key.digest

    def is_open(self) -> bool:
        """Returns whether no key was ever created. Once a key exists, this stays False."""
        now = self._clock()
        if not self._is_closed and (self._open_until is None or now >= self._open_until):
            self._is_closed = self._store.has_any()
            self._open_until = now + self._ttl_s
        return not self._is_closed

    def _read(self, key_id: KeyId, text: str) -> Holder | None:
        read_at = self._clock()
        key = self._store.find(key_id)
        if key is None or not key.is_proved_by(text):
            self._known.pop(key_id, None)
            return None
        holder = Holder(key, self._store.limits(key.tenant))
        self._remember(read_at, holder)
        if key.last_used_at is None or datetime.now(UTC) - key.last_used_at > _USE_IS_NOTED_EVERY:
            self._store.note_use(key_id)
        return holder

    def _remember(self, read_at: float, holder: Holder) -> None:
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[holder.key.key_id] = (read_at, holder)
