"""Signs a webhook request by Standard Webhooks 1.0.0.

A request has one `v1` signature for each secret of the receiver, and one `v1a` signature with our private key.
"""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime

from standardwebhooks.webhooks import Webhook

from shared.webhooks.signing_key import SigningKey


def signed_headers(
    message_id: str, moment: datetime, body: str, secrets: Sequence[str], key: SigningKey
) -> Mapping[str, str]:
    """Returns the signature headers of a webhook request that is sent at `moment` (UTC).

    While a secret of the receiver is being replaced, `secrets` holds the old and the new one.
    """
    signatures = [Webhook(secret).sign(message_id, moment, body) for secret in secrets]
    timestamp = int(moment.timestamp())
    asymmetric = key.sign(f"{message_id}.{timestamp}.{body}".encode())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join((*signatures, f"v1a,{base64.b64encode(asymmetric).decode()}")),
    }
