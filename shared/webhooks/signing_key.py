"""Manages the ed25519 key pairs for `v1a` signatures of webhooks, which a receiver verifies without a secret. The
installation has a key pair, from which the key pair of each tenant is derived.

As text, a private key is `whsk_` and the base64 of seed and public key. A public key is `whpk_` and its base64. This
form is from Standard Webhooks 1.0.0.
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
from shared.webhooks.secret_file import load_or_create

_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair that signs webhooks. A receiver that has the public key can verify messages but not forge them."""

    private: Ed25519PrivateKey

    @classmethod
    def of(cls, settings: Settings) -> "SigningKey":
        """Returns the key pair of the installation. If the setting is empty, the key pair is created once and stored in
        the data folder. Raises `Misconfigured` if the setting is invalid.
        """
        if settings.webhook_signing_key is None:
            return _read(load_or_create(settings.data_dir / "secrets" / "webhook_signing", _new))
        return _read(settings.webhook_signing_key.get_secret_value())

    def of_tenant(self, tenant: TenantId) -> "SigningKey":
        """Returns the key pair of a tenant. It is derived from the key pair of the installation, which the default
        tenant uses itself.

        Tenants have different keys so that no tenant can forge webhooks for the receiver of another tenant.
        """
        return self if tenant == DEFAULT_TENANT else _derived(self.private.private_bytes_raw(), tenant)

    def sign(self, data: bytes) -> bytes:
        """Returns the signature of the data, 64 bytes."""
        return self.private.sign(data)

    @property
    def public_bytes(self) -> bytes:
        """Returns the public key, 32 bytes."""
        return self.private.public_key().public_bytes_raw()

    @property
    def public_text(self) -> str:
        return f"whpk_{base64.b64encode(self.public_bytes).decode()}"

    @property
    def jwk(self) -> dict[str, str]:
        """Returns the public key as a JSON Web Key (RFC 8037). The `kid` field is the beginning of the public key."""
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
