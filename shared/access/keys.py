"""Creates and parses API keys, and computes their digests. Only the digest of a key is stored. Does no I/O."""

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

_ID_BYTES = 5  # 8 characters; the key id is public, and the store refuses an id that is in use
_SECRET_BYTES = 32
_KEY = re.compile(r"gp_([a-z2-7]{8})_([a-z2-7]{52})")
_LEAST_DIFFERENT = 12  # 52 random characters have about 26 distinct ones of 32; 12 or fewer practically never occur
_TENANT = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")  # no ':' and no '|', which separate the parts of Redis keys


class Scope(StrEnum):
    """A permission of an API key. `admin` allows everything within the key's tenant. `operator` allows what belongs
    to the platform and not to one tenant.
    """

    RENDER = "render"
    READ = "read"
    ADMIN = "admin"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as it is stored. Times are in UTC. `last_used_at` is accurate to about a minute."""

    key_id: KeyId
    tenant: TenantId
    scopes: frozenset[Scope]
    digest: str = field(repr=False)
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_proved_by(self, text: str) -> bool:
        """Returns whether the text is this API key and the key is not revoked. The comparison takes constant time."""
        return hmac.compare_digest(self.digest, digest(text)) and self.revoked_at is None

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or (Scope.ADMIN in self.scopes and scope is not Scope.OPERATOR)


def new_key() -> tuple[KeyId, str]:
    """Returns the key id and the text of a new API key, `gp_<id>_<secret>`. The text is shown once and never stored."""
    key_id = KeyId(_random_text(_ID_BYTES))
    return key_id, f"gp_{key_id}_{_random_text(_SECRET_BYTES)}"


def id_of(text: str) -> KeyId | None:
    """Returns the public key id in the text of an API key; None for text that is not an API key."""
    match = _KEY.fullmatch(text)
    return KeyId(match[1]) if match else None


def weakness(text: str) -> str | None:
    """Returns why an API key that a person chose is weak: its form is wrong, or its secret is not random. Returns None
    for a key without these faults.
    """
    match = _KEY.fullmatch(text)
    if match is None:
        return "must be gp_, 8 characters, _ and 52 characters; characters are a-z and 2-7"
    secret = match[2]
    steps = {(ord(after) - ord(before)) % 32 for before, after in pairwise(secret)}
    return "is not random" if min(len(set(secret)), len(steps)) <= _LEAST_DIFFERENT else None


def digest(text: str) -> str:
    """Returns the stored digest of an API key: SHA-256 in hexadecimal.

    Slow hashes (bcrypt, Argon2) protect passwords, which can be guessed. A secret of 256 random bits can't be guessed,
    and a slow hash would take a tenth of a second in every request.
    """
    return hashlib.sha256(text.encode()).hexdigest()


def is_tenant(text: str) -> bool:
    """Returns whether the text is a valid tenant name: up to 63 of `a-z 0-9 _ . -`, starting with a letter or digit."""
    return _TENANT.fullmatch(text) is not None


def _random_text(num_bytes: int) -> str:
    """Returns random base32 in lower case. The text has only letters and digits, so a double click on it selects all of
    it.
    """
    return base64.b32encode(secrets.token_bytes(num_bytes)).decode().lower().rstrip("=")
