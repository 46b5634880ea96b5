"""The body of a webhook: Standard Webhooks' `type`, `timestamp` and `data`, and our `sequence`."""

import json
from collections.abc import Mapping
from datetime import datetime

from shared.jobs.response_schemas import rfc3339
from shared.webhooks.events import PayloadStyle


def payload(
    event_type: str, happened_at: datetime, sequence: int, style: PayloadStyle, data: Mapping[str, object]
) -> str:
    """The text that is signed. `sequence` grows with every event of a tenant: the larger one happened later."""
    told = {"id": data["id"]} if style is PayloadStyle.THIN and "id" in data else data
    body = {"type": event_type, "timestamp": rfc3339(happened_at), "sequence": sequence, "data": told}
    return json.dumps(body, ensure_ascii=False)
