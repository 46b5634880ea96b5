"""Makes and verifies the tokens with which a signed-in page calls the API. Does no I/O.

A token names an API key and ends after some hours. It can't be turned back into the API key, and ends with it.
"""

import hmac
import re
from dataclasses import dataclass

from shared.access.keys import ApiKey, KeyId

LASTS_S = 12 * 3600
_TOKEN = re.compile(r"([a-z2-7]{8})\.([0-9]{1,12})\.([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class SessionToken:
    """A token whose form is right. Its signature is still to be verified with the API key that it names."""

    key_id: KeyId
    ends_at: int
    signature: str

    def is_proved_by(self, key: ApiKey, secret: bytes, now: float) -> bool:
        """Returns whether the token was made for this API key, with this secret of the service, and has not ended."""
        return hmac.compare_digest(_signature(key, self.ends_at, secret), self.signature) and now < self.ends_at


def new_token(key: ApiKey, secret: bytes, now: float) -> str:
    """Returns a new token for an API key. It is valid for 12 hours. `now` is in seconds since 1970."""
    ends_at = int(now) + LASTS_S
    return f"{key.key_id}.{ends_at}.{_signature(key, ends_at, secret)}"


def parsed(text: str) -> SessionToken | None:
    """Returns the parts of a token, or None for text of another form."""
    found = _TOKEN.fullmatch(text)
    return SessionToken(KeyId(found[1]), int(found[2]), found[3]) if found else None


def _signature(key: ApiKey, ends_at: int, secret: bytes) -> str:
    """Returns the signature in hexadecimal. It covers the digest of the API key, so a new key of the same id has other
    tokens. No other signature of this service signs a text of this form.
    """
    return hmac.digest(secret, f"session of {key.key_id} {key.digest} until {ends_at}".encode(), "sha256").hex()
