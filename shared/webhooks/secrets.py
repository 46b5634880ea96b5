"""Creates the secrets of `v1` signatures. The installation has one secret, from which the secret of each tenant is
derived.
"""

import base64
import binascii
import hmac
import secrets

from shared.errors import Misconfigured
from shared.ids import DEFAULT_TENANT, TenantId
from shared.settings.settings import Settings
from shared.webhooks.secret_file import load_or_create

_PREFIX = "whsec_"
_NUM_BYTES = 32
_ALLOWED_NUM_BYTES = range(24, 65)  # Standard Webhooks 1.0.0

WHAT_IT_IS = "must be whsec_ and the base64 of 24 to 64 bytes"


def new_secret() -> str:
    """Returns a new webhook secret: `whsec_` and the base64 of 32 random bytes."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_NUM_BYTES)).decode()


def is_webhook_secret(text: str) -> bool:
    """Returns whether the text is a valid secret for signing webhooks."""
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return text.startswith(_PREFIX) and len(key) in _ALLOWED_NUM_BYTES


def secret_of(tenant: TenantId, secret: str) -> str:
    """Returns the webhook secret of a tenant, which is derived from the secret of the installation. The default tenant
    uses the secret of the installation itself.

    Tenants have different secrets so that no tenant can forge webhooks of another tenant.
    """
    if tenant == DEFAULT_TENANT:
        return secret
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return _PREFIX + base64.b64encode(hmac.digest(key, f"webhooks of {tenant}".encode(), "sha256")).decode()


def webhook_secret(settings: Settings) -> str:
    """Returns the webhook secret of the installation. If the setting is empty, the secret is created once and stored in
    the data folder. Raises `Misconfigured` if the setting is invalid.
    """
    if settings.webhook_secret is None:
        return load_or_create(settings.data_dir / "secrets" / "webhook", new_secret)
    given = settings.webhook_secret.get_secret_value()
    if not is_webhook_secret(given):
        raise Misconfigured(f"GRIDPRESS_WEBHOOK_SECRET {WHAT_IT_IS}")
    return given
