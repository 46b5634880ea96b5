"""Signs a webhook as Standard Webhooks 1.0.0 says: `v1` once per secret, and `v1a`."""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime

from standardwebhooks.webhooks import Webhook

from shared.webhooks.signing_key import SigningKey


def signed_headers(
    message_id: str, moment: datetime, body: str, secrets: Sequence[str], key: SigningKey
) -> Mapping[str, str]:
    """Header fields of one attempt at `moment` (UTC). While a secret is being replaced, there are several."""
    signatures = [Webhook(secret).sign(message_id, moment, body) for secret in secrets]
    timestamp = int(moment.timestamp())
    asymmetric = key.sign(f"{message_id}.{timestamp}.{body}".encode())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join((*signatures, f"v1a,{base64.b64encode(asymmetric).decode()}")),
    }
