"""The tenant's webhook secret: from the settings, or made once and kept in the data folder, for its owner only."""

import base64
import os
import secrets

from shared.settings import Settings

_PREFIX = "whsec_"
_NUM_BYTES = 32  # Standard Webhooks: 24 to 64


def webhook_secret(settings: Settings) -> str:
    """`whsec_` and base64. Several processes may ask at once: the first to create the file decides."""
    if settings.webhook_secret:
        return settings.webhook_secret.get_secret_value()
    path = settings.data_dir / "secrets" / "webhook"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"webhook.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(_PREFIX + base64.b64encode(secrets.token_bytes(_NUM_BYTES)).decode())
    try:
        os.link(draft, path)  # atomic, and fails when the file is there
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()
