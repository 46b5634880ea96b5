"""Secrets that `v1` signatures are made with. The installation's, given or made once; from it each tenant's."""

import base64
import binascii
import hmac
import secrets

from shared.errors import Misconfigured
from shared.ids import DEFAULT_TENANT, TenantId
from shared.settings.settings import Settings
from shared.webhooks.secret_file import kept

_PREFIX = "whsec_"
_NUM_BYTES = 32
_ALLOWED_NUM_BYTES = range(24, 65)  # Standard Webhooks 1.0.0

WHAT_IT_IS = "must be whsec_ and the base64 of 24 to 64 bytes"


def new_secret() -> str:
    """`whsec_` and the base64 of 32 random bytes."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_NUM_BYTES)).decode()


def is_webhook_secret(text: str) -> bool:
    """Whether a webhook can be signed with it."""
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return text.startswith(_PREFIX) and len(key) in _ALLOWED_NUM_BYTES


def secret_of(tenant: TenantId, secret: str) -> str:
    """A tenant's own, so that none can forge another's webhooks; the default tenant has the installation's itself."""
    if tenant == DEFAULT_TENANT:
        return secret
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return _PREFIX + base64.b64encode(hmac.digest(key, f"webhooks of {tenant}".encode(), "sha256")).decode()


def webhook_secret(settings: Settings) -> str:
    """The installation's. Raises `Misconfigured` for a setting that nothing can be signed with."""
    if settings.webhook_secret is None:
        return kept(settings.data_dir / "secrets" / "webhook", new_secret)
    given = settings.webhook_secret.get_secret_value()
    if not is_webhook_secret(given):
        raise Misconfigured(f"GRIDPRESS_WEBHOOK_SECRET {WHAT_IT_IS}")
    return given
