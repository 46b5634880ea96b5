"""API keys as values: their text, their stored digest and their scopes. Nothing here does I/O."""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import NewType

from shared.ids import TenantId

KeyId = NewType("KeyId", str)

_ID_BYTES = 5  # 8 characters; the id is public, the store refuses one that stands already
_SECRET_BYTES = 32
_KEY = re.compile(r"gp_([a-z2-7]{8})_([a-z2-7]{52})")
_LEAST_DIFFERENT = 12  # of 52 random ones about 26 of 32 characters differ; 12 or fewer never happen
_TENANT = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")  # no ':' and no '|': both part the store's own keys


class Scope(StrEnum):
    """A permission of a key. `admin` allows everything of its tenant; `operator` what belongs to no tenant."""

    RENDER = "render"
    READ = "read"
    ADMIN = "admin"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored. Times are aware UTC; `last_used_at` is accurate to about a minute."""

    key_id: KeyId
    tenant: TenantId
    scopes: frozenset[Scope]
    digest: str = field(repr=False)
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_proved_by(self, text: str) -> bool:
        """Returns whether the text is this key and the key is not revoked. Takes constant time."""
        return hmac.compare_digest(self.digest, digest(text)) and self.revoked_at is None

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or (Scope.ADMIN in self.scopes and scope is not Scope.OPERATOR)


def new_key() -> tuple[KeyId, str]:
    """Returns a key's public id and its text, `gp_<id>_<secret>`, which is shown once and stored nowhere."""
    key_id = KeyId(_random_text(_ID_BYTES))
    return key_id, f"gp_{key_id}_{_random_text(_SECRET_BYTES)}"


def id_of(text: str) -> KeyId | None:
    """Returns the public id in a key's text; None for text that is not a key."""
    match = _KEY.fullmatch(text)
    return KeyId(match[1]) if match else None


def weakness(text: str) -> str | None:
    """Returns what is wrong with a key that a person chose: its form, or that its secret is not random. None if
    nothing is.
    """
    match = _KEY.fullmatch(text)
    if match is None:
        return "is not gp_, 8 and 52 of a-z 2-7, with _ between"
    secret = match[2]
    steps = {(ord(after) - ord(before)) % 32 for before, after in pairwise(secret)}
    return "is not random" if min(len(set(secret)), len(steps)) <= _LEAST_DIFFERENT else None


def digest(text: str) -> str:
    """Returns the stored digest of a key: SHA-256, in hexadecimal.

    Slow hashes (bcrypt, Argon2) protect passwords, which can be guessed. A secret of 256 random bits can't be guessed,
    and a slow hash would cost every request a tenth of a second.
    """
    return hashlib.sha256(text.encode()).hexdigest()


def is_tenant(text: str) -> bool:
    """Returns whether the text is a valid tenant name: up to 63 of `a-z 0-9 _ . -`, the first a letter or digit."""
    return _TENANT.fullmatch(text) is not None


def _random_text(num_bytes: int) -> str:
    """Returns random base32 in lower case: letters and digits only, so that a double click selects the whole key."""
    return base64.b32encode(secrets.token_bytes(num_bytes)).decode().lower().rstrip("=")
