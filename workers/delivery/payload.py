"""Builds the JSON body of a webhook request.

It has the fields `type`, `timestamp` and `data` of Standard Webhooks, and our own field `sequence`.
"""

import json
from collections.abc import Mapping
from datetime import datetime

from shared.responses.schemas import rfc3339
from shared.webhooks.events import PayloadStyle


def payload(
    event_type: str, happened_at: datetime, sequence: int, style: PayloadStyle, data: Mapping[str, object]
) -> str:
    """Returns the JSON text of a webhook body, which is the text that is signed.

    `sequence` grows with every event of a tenant, so it gives the order of the events.
    """
    content = {"id": data["id"]} if style is PayloadStyle.THIN and "id" in data else data
    body = {"type": event_type, "timestamp": rfc3339(happened_at), "sequence": sequence, "data": content}
    return json.dumps(body, ensure_ascii=False)
