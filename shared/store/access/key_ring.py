"""Finds the API key of a request and the limits of its tenant. Most requests find both in a cache in memory."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.access.keys import ApiKey, KeyId, id_of
from shared.access.limits import TenantLimits
from shared.store.access.keys import KeyStore

_MAX_KNOWN = 10_000  # far more keys than are in use at once; a key that was dropped costs one read of the store
_USE_IS_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Holder:
    """A valid API key and the limits of its tenant."""

    key: ApiKey
    limits: TenantLimits


class KeyRing:
    """A cache of API keys and their tenants' limits. All threads of a process share one instance.

    An entry is used for at most `ttl_s`, so a revoked key or a changed limit takes effect within this time. Unknown key
    ids are not cached, so a new key works at once, and guessed key ids fill no memory.

    Methods raise `StoreUnavailable` when an entry is not cached and the store does not answer.
    """

    def __init__(self, store: KeyStore, *, ttl_s: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._ttl_s = ttl_s
        self._clock = clock
        self._known: dict[KeyId, tuple[float, Holder]] = {}
        self._open_until: float | None = None
        self._is_closed = False

    def holder(self, text: str) -> Holder | None:
        """Returns the valid API key with the text `text` and its limits. Returns None for an unknown, wrong or revoked
        key.
        """
        key_id = id_of(text)
        if key_id is None:
            return None
        read_at, holder = self._known.get(key_id, (None, None))
        if holder is None or read_at is None or self._clock() - read_at >= self._ttl_s:
            return self._read(key_id, text)
        return holder if holder.key.is_proved_by(text) else None

    def is_still_valid(self, key: ApiKey) -> bool:
        """Returns whether an API key that was verified earlier is still valid."""
        holder = self.named(key.key_id)
        return holder is not None and holder.key.digest == key.digest

    def named(self, key_id: KeyId) -> Holder | None:
        """Returns the API key with this id and its limits, without a proof that the caller has it. Returns None for an
        unknown or revoked key.
        """
        read_at, holder = self._known.get(key_id, (None, None))
        if holder is None or read_at is None or self._clock() - read_at >= self._ttl_s:
            read_at, found = self._clock(), self._store.find(key_id)
            if found is None or found.revoked_at is not None:
                self._known.pop(key_id, None)
                return None
            holder = Holder(found, self._store.limits(found.tenant))
            self._remember(read_at, holder)
        return holder

    def is_open(self) -> bool:
        """Returns whether the API accepts requests without an API key. It does so until the first API key is created,
        and never afterwards.
        """
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
