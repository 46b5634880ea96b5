"""Creates and parses API keys, and computes their digests. Only the digest of a key is stored. Does no I/O."""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Literal, NewType

from shared.access.rights import Rights, Scope
from shared.ids import TenantId

__all__ = [
    "ApiKey",
    "KeyId",
    "Rights",
    "Scope",
    "digest",
    "id_of",
    "is_key_id",
    "is_tenant",
    "new_key",
    "prefix_of",
    "weakness",
]

KeyId = NewType("KeyId", str)

_ID_BYTES = 5  # 8 characters; the key id is public, and the store refuses an id that is in use
_SECRET_BYTES = 32
_KEY_ID = re.compile(r"[a-z2-7]{8}")
_KEY = re.compile(r"gp_([a-z2-7]{8})_([a-z2-7]{52})")
_LEAST_DIFFERENT = 12  # 52 random characters have about 26 distinct ones of 32; 12 or fewer practically never occur
TENANT_PATTERN = r"^[a-z0-9][a-z0-9_.-]{0,62}$"
_TENANT = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")  # no ':' and no '|', which separate the parts of Redis keys


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as it is stored. Times are in UTC. `last_used_at` is accurate to about a minute.

    `name` is a note of its owner. `replaced_by` is the key that a rotation created in its place.
    """

    key_id: KeyId
    tenant: TenantId
    rights: Rights
    digest: str = field(repr=False)
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    name: str = ""
    replaced_by: KeyId | None = None

    @property
    def scopes(self) -> frozenset[Scope]:
        return self.rights.scopes

    def is_proved_by(self, text: str) -> bool:
        """Returns whether the text is the text of this API key. The comparison takes constant time."""
        return hmac.compare_digest(self.digest, digest(text))

    def is_valid(self, now: datetime) -> bool:
        """Returns whether the API key is neither revoked nor expired."""
        return self.revoked_at is None and not self.rights.has_expired(now)

    def status(self, now: datetime) -> Literal["active", "expired", "revoked"]:
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.rights.has_expired(now) else "active"

    def allows(self, scope: Scope) -> bool:
        return self.rights.allows(scope)


def new_key(reserved_id: str | None = None) -> tuple[KeyId, str]:
    """Returns the key id and the text of a new API key, `gp_<id>_<secret>`. The text is shown once and never stored.

    The key id follows from `reserved_id` if that is given, so that a repeated request finds the key that it created.
    """
    own = secrets.token_bytes(_ID_BYTES) if reserved_id is None else hashlib.sha256(reserved_id.encode()).digest()
    key_id = KeyId(_text_of(own[:_ID_BYTES]))
    return key_id, f"gp_{key_id}_{_text_of(secrets.token_bytes(_SECRET_BYTES))}"


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


def prefix_of(key_id: KeyId) -> str:
    """Returns the public beginning of the text of an API key."""
    return f"gp_{key_id}_"


def is_key_id(text: str) -> bool:
    """Returns whether the text has the form of a key id."""
    return _KEY_ID.fullmatch(text) is not None


def _text_of(number: bytes) -> str:
    """Returns bytes as base32 in lower case. The text has only letters and digits, so a double click on it selects all
    of it.
    """
    return base64.b32encode(number).decode().lower().rstrip("=")
