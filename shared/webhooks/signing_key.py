"""Key pairs of `v1a` signatures (ed25519), for receivers that keep no secret: one of the installation, one a tenant.

As Standard Webhooks 1.0.0 writes them: `whsk_` is the base64 of seed and public key, `whpk_` that of the public key.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.errors import Misconfigured
from shared.ids import DEFAULT_TENANT, TenantId
from shared.settings.settings import Settings
from shared.webhooks.secret_file import kept

_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key pair. Whoever has the public half can verify, and forge nothing."""

    private: Ed25519PrivateKey

    @classmethod
    def of(cls, settings: Settings) -> "SigningKey":
        """The installation's: the setting's, or made once and kept. Raises `Misconfigured` for what is no key."""
        if settings.webhook_signing_key is None:
            return _read(kept(settings.data_dir / "secrets" / "webhook_signing", _new))
        return _read(settings.webhook_signing_key.get_secret_value())

    def of_tenant(self, tenant: TenantId) -> "SigningKey":
        """A tenant's own: what one tenant has sent to another's receiver must not verify there."""
        return self if tenant == DEFAULT_TENANT else _derived(self.private.private_bytes_raw(), tenant)

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""
        return self.private.sign(data)

    @property
    def public_bytes(self) -> bytes:
        """32 bytes."""
        return self.private.public_key().public_bytes_raw()

    @property
    def public_text(self) -> str:
        return f"whpk_{base64.b64encode(self.public_bytes).decode()}"

    @property
    def jwk(self) -> dict[str, str]:
        """RFC 8037; the id is the beginning of the key."""
        x = base64.urlsafe_b64encode(self.public_bytes).decode().rstrip("=")
        return {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": x[:16], "x": x}


@lru_cache(maxsize=1024)
def _derived(seed: bytes, tenant: TenantId) -> SigningKey:
    own_seed = hmac.digest(seed, f"webhooks of {tenant}".encode(), "sha256")
    return SigningKey(Ed25519PrivateKey.from_private_bytes(own_seed))


def _new() -> str:
    key = Ed25519PrivateKey.generate()
    both = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    return f"whsk_{base64.b64encode(both).decode()}"


def _read(text: str) -> SigningKey:
    try:
        both = base64.b64decode(text.removeprefix("whsk_"), validate=True)
        key = SigningKey(Ed25519PrivateKey.from_private_bytes(both[:_SEED_BYTES]))
    except (binascii.Error, ValueError):
        key = None
    if key is None or not text.startswith("whsk_") or both[_SEED_BYTES:] not in (b"", key.public_bytes):
        raise Misconfigured(
            "GRIDPRESS_WEBHOOK_SIGNING_KEY must be whsk_ and the base64 of an ed25519 seed and its public key"
        )
    return key
