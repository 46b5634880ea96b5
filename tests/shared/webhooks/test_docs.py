"""The receivers of docs/webhooks.md, as they are printed, verify what is sent."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.webhooks.secrets import new_secret
from shared.webhooks.signing_key import SigningKey
from workers.delivery.signing import signed_headers

DOCS = Path(__file__).parents[3] / "docs" / "webhooks.md"
RECEIVERS = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
BODY = '{"type": "job.failed", "timestamp": "2026-01-05T09:30:00.000Z", "sequence": 1, "data": {"id": "job_1"}}'


@pytest.mark.parametrize("source", RECEIVERS, ids=["standardwebhooks", "openai", "cryptography"])
def test_a_printed_receiver_takes_what_is_signed_and_nothing_else(source: str) -> None:
    scope: dict[str, Any] = {}
    exec(source, scope)
    secret, key = new_secret(), SigningKey(Ed25519PrivateKey.generate())
    headers = dict(signed_headers("evt_1", datetime.now(UTC), BODY, [secret], key))
    trusted = key.public_text if "public_key" in source else secret
    scope["receive"](BODY.encode(), headers, trusted)
    with pytest.raises(Exception, match=r"(?i)signature|^$"):
        scope["receive"](BODY.encode() + b" ", headers, trusted)
