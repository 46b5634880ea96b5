"""Verifies a recorded webhook with standardwebhooks or svix, whichever the argument names."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from steps import expect, step

if sys.argv[1] == "svix":
    from svix.webhooks import Webhook, WebhookVerificationError
else:
    from standardwebhooks.webhooks import Webhook, WebhookVerificationError

recorded = json.loads(Path(os.environ["CLIENT_WEBHOOK"]).read_text())
webhook: Any = Webhook(recorded["secret"])

with step("verify"):
    event = webhook.verify(recorded["body"].encode(), recorded["headers"])
    expect(event is None or event["type"] == "job.succeeded", f"the event is {event}")
with step("verify, changed body"):
    try:
        webhook.verify(recorded["body"].replace("succeeded", "failed").encode(), recorded["headers"])
    except WebhookVerificationError:
        pass
    else:
        raise ValueError("a changed body was accepted")
